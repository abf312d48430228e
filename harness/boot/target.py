"""A running target, and byte streams to it."""

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TargetError
from harness.link.stream import ByteStream, StreamEnded, timeout_scale

WRITE_S = 10.0  # a target that takes no byte for so long is stuck
READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Target:
    """Something that talks: its line, and how it was started."""

    stream: ByteStream
    command: tuple[str, ...]  # empty for a board


class FdStream:
    """A stream over file descriptors (socket: the same one twice; pipes: two).

    A thread reads all the time: QEMU stops as a whole, control socket included, when nobody
    takes what the console prints.
    """

    def __init__(self, read_fd: int, write_fd: int, describe_end: Callable[[], str]) -> None:
        """describe_end says, once the line is closed, what became of the target."""
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._describe_end = describe_end
        self._open = True
        for fd in (read_fd, write_fd):
            os.set_blocking(fd, False)
        self._arrived = bytearray()
        self._ended = False
        self._changed = threading.Condition()  # guards the two above
        self._wake_fd, self._stop_fd = os.pipe()  # closing _stop_fd ends the thread
        self._reader = threading.Thread(target=self._read_on, name="console", daemon=True)
        self._reader.start()

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, b"" after timeout_s; StreamEnded when the other end is gone."""
        if not self._open:
            raise StreamEnded("the line to the target is closed")
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._ended, timeout_s)
            data = bytes(self._arrived)
            self._arrived.clear()
            ended = self._ended
        if ended and not data:
            raise StreamEnded(self._describe_end())
        return data

    def write(self, data: bytes) -> None:
        """Send all; nothing is said about a peer that is gone, the next read does."""
        if not self._open:
            raise StreamEnded("the line to the target is closed")
        deadline = time.monotonic() + WRITE_S * timeout_scale()
        left = memoryview(data)
        while left:
            if not _ready({self._write_fd: select.POLLOUT}, deadline - time.monotonic()):
                raise TargetError(
                    f"the target took no byte for {WRITE_S * timeout_scale():.0f} s",
                    hint="it hangs, or is no kernel that booted: see its console.log",
                )
            try:
                left = left[os.write(self._write_fd, left) :]
            except BlockingIOError:
                continue
            except OSError:
                return

    def close(self) -> None:
        """Stop reading and close both ends."""
        if self._open:
            self._open = False
            os.close(self._stop_fd)
            self._reader.join()
            for fd in {self._read_fd, self._write_fd, self._wake_fd}:
                with suppress(OSError):
                    os.close(fd)

    def reopen(self, timeout_s: float) -> None:
        """A process that has gone does not come back."""
        raise StreamEnded(self._describe_end())

    def _read_on(self) -> None:
        data = b"more"
        while data:
            wanted = {self._read_fd: select.POLLIN, self._wake_fd: select.POLLIN}
            if self._wake_fd in _ready(wanted):
                return
            try:
                data = os.read(self._read_fd, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError:  # the target died with bytes of ours unread
                data = b""
            with self._changed:
                self._arrived += data
                self._ended = not data
                self._changed.notify()


def _ready(wanted: dict[int, int], timeout_s: float | None = None) -> set[int]:
    """Descriptors that became ready or were hung up; poll, because select ends at number 1023."""
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    events_of = poll.poll(None if timeout_s is None else max(timeout_s, 0.0) * 1e3)
    return {fd for fd, _ in events_of}


class LoggedStream:
    """A stream whose incoming bytes also go to a file."""

    def __init__(self, stream: ByteStream, path: Path) -> None:
        self._stream = stream
        self._file = path.open("wb")

    def read(self, timeout_s: float) -> bytes:
        """As the stream's."""
        data = self._stream.read(timeout_s)
        if data:
            self._file.write(data)
            self._file.flush()
        return data

    def write(self, data: bytes) -> None:
        """As the stream's."""
        self._stream.write(data)

    def reopen(self, timeout_s: float) -> None:
        """As the stream's; the file goes on."""
        self._stream.reopen(timeout_s)

    def close(self) -> None:
        """Close the stream and the file."""
        self._stream.close()
        self._file.close()
