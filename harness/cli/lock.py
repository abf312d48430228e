"""Who may write in an image directory, and to which console log."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One writer at a time in a directory; a second one waits."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_for_writer(directory: Path) -> None:
    """Return once nobody writes in a directory; at once where there is no lock to look at."""
    with suppress(OSError), (directory / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


@contextmanager
def console_log(directory: Path) -> Iterator[Path]:
    """console.log; for a second target that runs at the same time, console-<pid>.log."""
    try:
        file = (directory / ".console.lock").open("w")
    except OSError:  # an image in a place that may only be read
        folder = Path(mkdtemp(prefix="bareword-"))
        yield folder / "console.log"
        rmtree(folder, ignore_errors=True)  # not when it failed: the error says where to look
        return
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield directory / f"console-{os.getpid()}.log"
        else:
            yield directory / "console.log"
