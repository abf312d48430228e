"""Typed access to metadata: a wrong type, a missing key or an absurd value is a sentence."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError
from harness.gguf.reader import Value, ValueType

DEFAULT_ALIGNMENT: Final = 32
MAX_ALIGNMENT: Final = 1 << 16
INTEGERS: Final = (
    ValueType.U8,
    ValueType.I8,
    ValueType.U16,
    ValueType.I16,
    ValueType.U32,
    ValueType.I32,
    ValueType.U64,
    ValueType.I64,
)


class Metadata:
    """The key-value pairs of a file, each with its type and the byte where it stands."""

    def __init__(self, entries: Mapping[str, tuple[ValueType, Value, int]]) -> None:
        self._entries = entries

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def fail(self, key: str, what: str, *, hint: str = "") -> NoReturn:
        """Refuse the file because of this key."""
        where = f" (key at byte {self._entries[key][2]})" if key in self else ""
        raise GgufError(f"{key} {what}{where}", hint=hint)

    def integer(
        self, key: str, low: int, high: int, *, default: int | None = None, per_layer: bool = False
    ) -> int:
        """An integer within [low, high]; `per_layer` also takes an array of equal ones."""
        if key not in self and default is not None:
            return default
        kind, value, _ = self._required(key, "an integer")
        if per_layer and isinstance(value, np.ndarray) and value.dtype.kind in "iu":
            distinct = sorted({int(n) for n in value})
            if len(distinct) != 1:
                self.fail(key, f"differs between layers ({_some(distinct)}); one value is wanted")
            value = distinct[0]
        elif kind not in INTEGERS or not isinstance(value, int):
            self.fail(key, f"is {_described(kind)}, wanted an integer")
        if not low <= value <= high:
            self.fail(key, f"is {value}, wanted {low} to {high}")
        return value

    def number(self, key: str, *, default: float | None = None) -> float:
        """A finite float32 or float64."""
        if key not in self and default is not None:
            return default
        kind, value, _ = self._required(key, "a float")
        if kind not in (ValueType.F32, ValueType.F64) or not isinstance(value, float):
            self.fail(key, f"is {_described(kind)}, wanted a float")
        if not math.isfinite(value):
            self.fail(key, f"is {value}, wanted a finite number")
        return value

    def positive(self, key: str, *, default: float | None = None) -> float:
        """A finite float above 0."""
        value = self.number(key, default=default)
        if value <= 0:
            self.fail(key, f"is {value}, wanted more than 0")
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        if key not in self:
            return default
        kind, value, _ = self._required(key, "a boolean")
        if not isinstance(value, bool):
            self.fail(key, f"is {_described(kind)}, wanted a boolean")
        return value

    def text(self, key: str, *, default: str | None = None) -> str:
        """A string that is valid UTF-8."""
        if key not in self and default is not None:
            return default
        kind, value, _ = self._required(key, "a string")
        if not isinstance(value, bytes):
            self.fail(key, f"is {_described(kind)}, wanted a string")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as exc:
            self.fail(key, f"is not UTF-8: byte {exc.start} of it is 0x{value[exc.start]:02x}")

    def strings(self, key: str) -> tuple[bytes, ...]:
        """An array of strings, which need not be text."""
        kind, value, _ = self._required(key, "an array of strings")
        if not isinstance(value, tuple):
            self.fail(key, f"is {_described(kind, value)}, wanted an array of strings")
        return value

    def numbers(self, key: str, kinds: str, wanted: str) -> npt.NDArray[Any]:
        """An array whose NumPy kind is one of `kinds` ("f" floats, "iu" integers)."""
        kind, value, _ = self._required(key, f"an array of {wanted}")
        if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
            self.fail(key, f"is {_described(kind, value)}, wanted an array of {wanted}")
        return value

    def holds_array(self, key: str) -> bool:
        """Whether the key is there with an array as its value."""
        return key in self and self._entries[key][0] is ValueType.ARRAY

    def alignment(self) -> int:
        """Tensor data starts, and every tensor starts, at a multiple of this many bytes."""
        key = "general.alignment"
        if key not in self:
            return DEFAULT_ALIGNMENT
        kind, value, _ = self._entries[key]
        if kind is not ValueType.U32 or not isinstance(value, int):
            self.fail(key, f"is {_described(kind)}, wanted a u32")
        if value == 0 or value & (value - 1) or value > MAX_ALIGNMENT:
            self.fail(key, f"is {value}, wanted a power of two up to {MAX_ALIGNMENT}")
        return value

    def plain(self) -> dict[str, object]:
        """For printing: strings become text (bad bytes replaced), arrays stay as they are."""
        return {
            key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for key, (_, value, _) in self._entries.items()
        }

    def _required(self, key: str, wanted: str) -> tuple[ValueType, Value, int]:
        if key not in self:
            raise GgufError(f"{key} is missing, wanted {wanted}")
        return self._entries[key]


def _described(kind: ValueType, value: Value | None = None) -> str:
    if isinstance(value, tuple):
        return "an array of strings"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.name}"
    return f"of type {kind.name.lower()}"


def _some(values: list[int]) -> str:
    return ", ".join(map(str, values[:4])) + (", ..." if len(values) > 4 else "")
