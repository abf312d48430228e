"""A console of labgrid's as a byte stream."""

import time
from typing import Any

import pexpect

from harness.errors import TargetError
from harness.link.stream import StreamEnded, timeout_scale

WRITE_S = 10.0  # a console that takes no byte for so long is stuck
RETRY_S = 0.01


class ConsoleStream:
    """Reads and writes an active ConsoleProtocol driver; labgrid opens and closes it."""

    def __init__(self, console: Any) -> None:
        self._console = console

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, b"" after timeout_s; StreamEnded when the driver fails."""
        started = time.monotonic()
        try:
            data = bytes(self._console.read(timeout=timeout_s))
        except pexpect.TIMEOUT:
            return b""
        except (pexpect.EOF, OSError) as exc:
            raise StreamEnded(f"{self._console} has ended: {exc}") from exc
        if not data:  # the other end is gone, as some drivers tell it; silence ends the session
            time.sleep(max(started + timeout_s - time.monotonic(), 0.0))
        return data

    def write(self, data: bytes) -> None:
        """Send all."""
        deadline = time.monotonic() + WRITE_S * timeout_scale()
        while data:
            try:
                data = data[int(self._console.write(data)) :]
            except BlockingIOError:
                time.sleep(RETRY_S)
            except OSError:
                return  # the next read says so
            if data and time.monotonic() >= deadline:
                raise TargetError(f"{self._console} took no byte for {WRITE_S:.0f} s")

    def close(self) -> None:
        """Labgrid does that."""

    def reopen(self, timeout_s: float) -> None:
        """Nothing of ours was closed: a strategy cycles the power."""
