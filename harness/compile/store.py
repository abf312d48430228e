"""Objects of earlier builds, by the hash of what they were made from.

Most of the kernel does not depend on the model, so that the next model's image need not compile it
again. Builds that run at the same time share the folder: an object appears whole or not at all.
"""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from harness.compile.sources import ROOT

STORE = ROOT / "build" / "objects"
KEPT_S = 14 * 24 * 3600  # what no build has asked for that long is an older kernel's


def fetch(key: str, obj: Path) -> bool:
    """Copy the object that has this key to `obj`; False if there is none."""
    kept = STORE / f"{key}.o"
    try:
        shutil.copyfile(kept, obj)
        os.utime(kept)
    except OSError:
        return False
    return True


def keep(key: str, obj: Path) -> None:
    """Keep `obj` for other builds, if the checkout can be written to."""
    with contextlib.suppress(OSError):
        STORE.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=STORE, suffix=".new")
        os.close(handle)
        try:
            shutil.copyfile(obj, name)
            Path(name).replace(STORE / f"{key}.o")
        finally:
            Path(name).unlink(missing_ok=True)


def drop_old() -> None:
    """Remove what has not been used for KEPT_S."""
    oldest = time.time() - KEPT_S
    with contextlib.suppress(OSError):
        for file in STORE.iterdir():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
