"""Files that are either whole or not there."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.errors import ImageError


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` at the end, and vanishes on any exception."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            yield file
        temporary.chmod(0o644)
        temporary.replace(path)
        temporary = None
    except OSError as exc:
        raise ImageError(
            f"cannot write {path}: {exc.strerror or exc}", hint="is the disk full or read-only?"
        ) from exc
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
