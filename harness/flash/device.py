"""An open card: what is written to it, read back from it, and where either failed."""

import errno
import fcntl
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.errors import CardFailedError, FlashError
from harness.flash.disk import Disk, decimal_size

BLKFLSBUF = 0x1261  # linux/fs.h: write back and forget what is cached of a block device


class BlockDevice:
    """A file descriptor with offsets; every failure says at which byte."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """All of data, or CardFailedError."""
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self.fd, view, offset)
            except OSError as exc:
                raise self._failed("writing", offset, exc) from exc
            offset += written
            view = view[written:]

    def read(self, offset: int, size_bytes: int) -> bytes:
        """As many bytes, or CardFailedError."""
        parts = []
        while size_bytes:
            try:
                part = os.pread(self.fd, size_bytes, offset)
            except OSError as exc:
                raise self._failed("reading", offset, exc) from exc
            if not part:
                raise CardFailedError(
                    f"{self.path} ends at byte {offset:,}",
                    hint="it is smaller than it says: a broken or counterfeit card?",
                )
            parts.append(part)
            offset += len(part)
            size_bytes -= len(part)
        return b"".join(parts)

    def sync(self) -> None:
        """Return when the card has everything."""
        try:
            os.fsync(self.fd)
        except OSError as exc:
            raise self._failed("writing", None, exc) from exc

    def forget(self) -> None:
        """Let the next read ask the card, not this machine's memory of what was written."""
        with suppress(OSError, AttributeError):  # macOS reads /dev/rdisk without a cache
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if sys.platform == "linux" and stat.S_ISBLK(os.fstat(self.fd).st_mode):
            with suppress(OSError):  # only root may; the advice above does for others
                fcntl.ioctl(self.fd, BLKFLSBUF)

    def _failed(self, what: str, offset: int | None, exc: OSError) -> CardFailedError:
        where = "" if offset is None else f" at byte {offset:,}"
        return CardFailedError(
            f"{what} {self.path} failed{where}: {exc.strerror or exc}",
            hint="the card, its contacts or the reader: try another. A counterfeit card fails "
            "where its real memory ends",
        )


@contextmanager
def open_disk(disk: Disk, command: list[str]) -> Iterator[BlockDevice]:
    """The disk, for this program alone; FlashError when it cannot be had or is another by now.

    On macOS a disk has no number to know it by: ask for the inventory again once it is open.
    command: what the user typed, to repeat with more rights.
    """
    # O_EXCL: Linux refuses when anything is mounted from the disk or built on it.
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
    if hasattr(os, "O_EXLOCK"):  # macOS; it waits for whoever has the lock unless told not to
        flags |= os.O_EXLOCK | os.O_NONBLOCK
    try:
        fd = os.open(disk.path, flags)
    except OSError as exc:
        raise _not_opened(disk, command, exc) from exc
    try:
        _require_same(disk, fd)
        yield BlockDevice(fd, disk.path)
    finally:
        os.close(fd)


def _require_same(disk: Disk, fd: int) -> None:
    """A name goes to the next card when this one is pulled: what is open is what was judged."""
    found = os.fstat(fd)
    if not (stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        raise FlashError(f"{disk.path} is no device", hint="`flash --list` shows what can be named")
    number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    if disk.number and number != disk.number:
        raise FlashError(
            f"{disk.path} is the device {number} now, it was {disk.number}", hint="try again"
        )
    if stat.S_ISBLK(found.st_mode):
        size_bytes = os.lseek(fd, 0, os.SEEK_END)
        if size_bytes != disk.size_bytes:
            raise FlashError(
                f"{disk.path} has {decimal_size(size_bytes)} now, it had "
                f"{decimal_size(disk.size_bytes)}",
                hint="was the card changed? try again",
            )


def _not_opened(disk: Disk, command: list[str], exc: OSError) -> FlashError:
    if exc.errno in (errno.EACCES, errno.EPERM):
        return FlashError(
            f"{disk.path} may not be written to by this user",
            hint=f"sudo {shlex.join(command)}; or --files-only, which needs no rights",
        )
    if exc.errno in (errno.EBUSY, errno.EAGAIN):  # EAGAIN: O_EXLOCK
        return FlashError(
            f"{disk.path} is in use: something is mounted from it or built on it",
            hint="unmount it first; `flash --list` shows what it is",
        )
    return FlashError(f"{disk.path} cannot be opened: {exc.strerror}", hint="is the card in?")
