"""Frames: 0x00, COBS(body), 0x00, on a line that also carries console text.

body = type, seq, ack, flags (0), payload, CRC-32 of all before it (little endian). Every span
between two zero bytes that decodes with a right CRC is a frame; everything else is console text,
or what noise has left of a frame.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from harness.link.messages import MAX_PAYLOAD

HEADER_BYTES = 4
CRC_BYTES = 4
MAX_BODY = HEADER_BYTES + MAX_PAYLOAD + CRC_BYTES
MAX_ENCODED = MAX_BODY + MAX_BODY // 254 + 1

# The first COBS code is the distance to the first zero of the body: type is never zero, flags
# always is, so it is 2 (seq is 0), 3 (ack is 0) or 4. Text that starts like text is no frame and
# need not wait for its end; any other start may be a frame, whole or damaged.
_TEXT_START = frozenset({*b"\t\n\r\x1b", *range(0x20, 0x7F), *range(0xC2, 0xF5)})
# No console prints these. (UTF-8 never holds the last ones.)
_BINARY = re.compile(rb"[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\xc0\xc1\xf5-\xff]")
# Text inside a damaged frame (a panic in the middle of it) stays, its binary remains do not. By
# chance, one place in five million starts a run of 16 in random bytes.
_READABLE_RUN = re.compile(rb"[\t\n\r\x1b\x20-\x7e]{16,}")


@dataclass(frozen=True)
class Frame:
    """A body without its CRC and flags."""

    type: int
    seq: int
    ack: int
    payload: bytes = b""


def cobs_encode(data: bytes) -> bytes:
    """`data` without zero bytes; one byte longer per 254."""
    out = bytearray()
    for part in data.split(b"\0"):
        start = 0
        while len(part) - start >= 254:
            out.append(255)
            out += part[start : start + 254]
            start += 254
        out.append(len(part) - start + 1)
        out += part[start:]
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The inverse; None when `data` is no COBS encoding."""
    out = bytearray()
    i = 0
    while i < len(data):
        code = data[i]
        end = i + code
        if code == 0 or end > len(data):
            return None
        out += data[i + 1 : end]
        if code != 255 and end < len(data):
            out.append(0)
        i = end
    return bytes(out)


def encode_frame(frame: Frame) -> bytes:
    """Bytes for the line, both delimiters included."""
    body = bytes([frame.type, frame.seq, frame.ack, 0]) + frame.payload
    return b"\0" + cobs_encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def decode_segment(segment: bytes) -> Frame | None:
    """The frame between two zero bytes; None when it is not one."""
    body = cobs_decode(segment)
    if body is None or not HEADER_BYTES + CRC_BYTES <= len(body) <= MAX_BODY:
        return None
    content, crc = body[:-CRC_BYTES], body[-CRC_BYTES:]
    if zlib.crc32(content) != int.from_bytes(crc, "little") or content[3] != 0:
        return None
    return Frame(content[0], content[1], content[2], content[HEADER_BYTES:])


class Splitter:
    """Separates frames from console text; text passes as soon as it cannot be a frame."""

    def __init__(self) -> None:
        self.noise = 0  # bytes so far that were neither text nor part of a frame
        self._segment = bytearray()  # after a zero byte, while it may still become a frame
        self._collecting = False

    def feed(self, data: bytes) -> Iterator[Frame | bytes]:
        """Frames and pieces of text, in the order of the line."""
        *complete, rest = data.split(b"\0")
        for part in complete:
            yield from self._add(part)
            yield from self._end_segment()
        yield from self._add(rest)

    def flush(self) -> bytes:
        """The line fell silent: what was collected was no frame. Returns the text in it."""
        text = b"".join(_READABLE_RUN.findall(self._segment))
        self.noise += len(self._segment) - len(text)
        self._segment.clear()
        self._collecting = False
        return text

    @property
    def pending(self) -> bool:
        """A segment has begun and not ended."""
        return bool(self._segment)

    def _add(self, part: bytes) -> Iterator[bytes]:
        if not part:
            return
        if self._collecting and not self._segment and part[0] in _TEXT_START:
            self._collecting = False
        if not self._collecting:
            binary = _BINARY.search(part)
            if binary is None:
                yield part
                return
            if binary.start():
                yield part[: binary.start()]
            part = part[binary.start() :]
            self._collecting = True  # a frame whose start was lost; nothing of it is shown
        self._segment += part
        if len(self._segment) > MAX_ENCODED:
            yield self.flush()

    def _end_segment(self) -> Iterator[Frame | bytes]:
        frame = decode_segment(bytes(self._segment)) if self._segment else None
        if frame is not None:
            self._segment.clear()
        text = self.flush()
        self._collecting = True  # this zero byte may be the next frame's first
        if frame is not None:
            yield frame
        elif text:
            yield text
