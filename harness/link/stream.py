"""A byte stream to a target, and how long to be patient with it."""

import os
from typing import Protocol

from harness.errors import LinkError, TargetError


class ByteStream(Protocol):
    """A serial line, a socket to QEMU or pipes to the host program."""

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, b"" after timeout_s without a byte; StreamEnded at the end."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of data; a peer that is gone shows at the next read, after its last words."""
        ...

    def close(self) -> None:
        """Release the line; harmless when repeated."""
        ...

    def reopen(self, timeout_s: float) -> None:
        """The line anew, waiting for it at most timeout_s; StreamEnded when it does not come."""
        ...


class PrefixedStream:
    """A stream of which somebody has read too much: these bytes come first."""

    def __init__(self, prefix: bytes, stream: ByteStream) -> None:
        self._prefix = prefix
        self._stream = stream

    def read(self, timeout_s: float) -> bytes:
        """As the stream's."""
        prefix, self._prefix = self._prefix, b""
        return prefix or self._stream.read(timeout_s)

    def write(self, data: bytes) -> None:
        """As the stream's."""
        self._stream.write(data)

    def close(self) -> None:
        """As the stream's."""
        self._stream.close()

    def reopen(self, timeout_s: float) -> None:
        """As the stream's; what was read before is of no use any more."""
        self._prefix = b""
        self._stream.reopen(timeout_s)


class TargetLost(TargetError):
    """The target, or the line to it, is gone; on a board both may come back."""


class StreamEnded(TargetLost):
    """The other end is gone; the message says how."""


class TargetReset(TargetLost):
    """The target has started again: what it was asked and what it knew is gone."""


class Garbled(TargetLost):
    """What comes is neither text nor frames: most likely the line's speed is another one."""

    exit_code = 2  # the user chooses the speed


def timeout_scale() -> float:
    """HARNESS_TIMEOUT_SCALE: a factor on all timeouts for slow or busy hosts."""
    text = os.environ.get("HARNESS_TIMEOUT_SCALE", "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.0 < scale < float("inf"):
        raise LinkError(f"HARNESS_TIMEOUT_SCALE is {text!r}, expected a number above 0")
    return scale
