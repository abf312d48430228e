"""A cursor over the bytes of a GGUF file that cannot leave them.

Every length that comes from the file is compared with what is left of the file before it is
used, as `length > end - position`, and nothing is allocated from an unverified count.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError, quoted

# Far above anything a model holds (vocabularies: 256 thousand tokens, 600 thousand merges; chat
# templates: 100 KiB), far below what would exhaust the host.
MAX_ARRAY_ITEMS: Final = 1 << 22
MAX_STRING_BYTES: Final = 64 << 20
MAX_KEY_BYTES: Final = (1 << 16) - 1


class ValueType(IntEnum):
    """GGUF's types of metadata values."""

    U8 = 0
    I8 = 1
    U16 = 2
    I16 = 3
    U32 = 4
    I32 = 5
    F32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    U64 = 10
    I64 = 11
    F64 = 12


_SCALARS: Final = {
    ValueType.U8: "<u1",
    ValueType.I8: "<i1",
    ValueType.U16: "<u2",
    ValueType.I16: "<i2",
    ValueType.U32: "<u4",
    ValueType.I32: "<i4",
    ValueType.F32: "<f4",
    ValueType.BOOL: "<u1",
    ValueType.U64: "<u8",
    ValueType.I64: "<i8",
    ValueType.F64: "<f8",
}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


@dataclass(frozen=True, eq=False)
class Strings:
    """An array of strings as the file has it, each a 64-bit length and its bytes.

    Python's own strings are made one after another, when iterated: they take ten times the bytes of
    short ones, and most arrays are never asked for.
    """

    count: int
    raw: bytes

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        at, raw, length_at = 0, self.raw, _U64.unpack_from
        for _ in range(self.count):
            end = at + 8 + length_at(raw, at)[0]
            yield raw[at + 8 : end]
            at = end


Value = bool | int | float | bytes | Strings | npt.NDArray[np.generic]


class Cursor:
    """Reads little-endian values one after another; `what` in its messages names the reader's aim.

    Slices of the map are copies, so that the map can be closed while values live on.
    """

    def __init__(self, data: mmap | bytes) -> None:
        self._data = data
        self.position = 0
        self.end = len(data)

    def left(self) -> int:
        """Bytes between the cursor and the end of the file."""
        return self.end - self.position

    def fail(self, what: str, *, at: int | None = None, hint: str = "") -> NoReturn:
        """Refuse the file, naming the byte where the fault lies."""
        at = self.position if at is None else at
        raise GgufError(f"{what} (at byte {at})", hint=hint)

    def take(self, n: int, what: str) -> bytes:
        """The next n bytes."""
        self._need(n, what)
        start = self.position
        self.position += n
        return self._data[start : self.position]

    def peek(self, n: int) -> bytes:
        """The next n bytes, or as many as there are, without going on."""
        return self._data[self.position : self.position + n]

    def u32(self, what: str) -> int:
        """An unsigned 32-bit integer."""
        self._need(4, what)
        (value,) = _U32.unpack_from(self._data, self.position)
        self.position += 4
        return int(value)

    def u64(self, what: str) -> int:
        """An unsigned 64-bit integer."""
        self._need(8, what)
        (value,) = _U64.unpack_from(self._data, self.position)
        self.position += 8
        return int(value)

    def string(self, what: str, limit: int = MAX_STRING_BYTES) -> bytes:
        """A 64-bit length and that many bytes, which need not be text."""
        at = self.position
        n = self.u64(f"length of {what}")
        if n > self.left():
            self.fail(f"{what} says it has {n} bytes, the file has {self.left()} left", at=at)
        if n > limit:
            self.fail(f"{what} says it has {n} bytes, at most {limit} are accepted", at=at)
        return self.take(n, what)

    def name(self, what: str, limit: int) -> str:
        """A string that must be text: printable UTF-8, as names end up in messages and sources."""
        at = self.position
        raw = self.string(what, limit)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{what} is {quoted(raw)}, which is not UTF-8", at=at)
        if not text or not text.isprintable():
            self.fail(
                f"{what} is {quoted(raw)}: names are not empty and hold no NUL or control", at=at
            )
        return text

    def value_type(self, what: str) -> ValueType:
        """The number that says which type of value follows."""
        at = self.position
        number = self.u32(f"type of {what}")
        try:
            return ValueType(number)
        except ValueError:
            self.fail(f"{what} has value type {number}; GGUF knows 0 to 12", at=at)

    def value(self, kind: ValueType, what: str) -> Value:
        """A metadata value of this type."""
        if kind is ValueType.ARRAY:
            return self._array(what)
        if kind is ValueType.STRING:
            return self.string(what)
        scalar = np.frombuffer(self.take(np.dtype(_SCALARS[kind]).itemsize, what), _SCALARS[kind])
        if kind is ValueType.BOOL:
            return bool(scalar[0])
        number: int | float = scalar[0].item()
        return number

    def _array(self, what: str) -> Value:
        kind = self.value_type(f"elements of {what}")
        if kind is ValueType.ARRAY:
            self.fail(f"{what} is an array of arrays, which is not supported")
        at = self.position
        count = self.u64(f"count of {what}")
        # A string takes at least its 8-byte length.
        item_bytes = 8 if kind is ValueType.STRING else np.dtype(_SCALARS[kind]).itemsize
        if count > self.left() // item_bytes:
            self.fail(
                f"{what} says it has {count} elements of at least {item_bytes} bytes, "
                f"the file has {self.left()} bytes left",
                at=at,
            )
        if count > MAX_ARRAY_ITEMS:
            self.fail(f"{what} has {count} elements, at most {MAX_ARRAY_ITEMS} accepted", at=at)
        if kind is ValueType.STRING:
            return self._strings(count, what)
        array = np.frombuffer(self.take(count * item_bytes, what), _SCALARS[kind])
        return array != 0 if kind is ValueType.BOOL else array

    def _strings(self, count: int, what: str) -> Strings:
        # string() unrolled: this loop runs 400,000 times for a large byte-level BPE vocabulary.
        data, position, end, length_at = self._data, self.position, self.end, _U64.unpack_from
        start = position
        for i in range(count):
            if end - position < 8:
                self.fail(f"the file ends within {what}[{i}]", at=position)
            n = length_at(data, position)[0]
            position += 8
            if n > end - position:
                self.fail(
                    f"{what}[{i}] says it has {n} bytes, the file has {end - position} left",
                    at=position - 8,
                )
            if n > MAX_STRING_BYTES:
                self.fail(
                    f"{what}[{i}] says it has {n} bytes, at most {MAX_STRING_BYTES} are accepted",
                    at=position - 8,
                )
            position += n
        self.position = position
        return Strings(count, data[start:position])

    def _need(self, n: int, what: str) -> None:
        if n > self.left():
            self.fail(
                f"the file ends within {what}: {n} bytes wanted, {self.left()} left",
                hint="the file is truncated: download or convert it again",
            )
