"""Typed access to metadata: a wrong type, a missing key or an absurd value is a sentence."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from harness.errors import QUOTED_MAX, GgufError
from harness.gguf.reader import Strings, Value, ValueType

DEFAULT_ALIGNMENT: Final = 32
MAX_TEXT_BYTES: Final = 4096  # names; a template says its own limit
MAX_ALIGNMENT: Final = 1 << 16
# Far beyond any constant of a model. What is derived from two of them is still a float32, neither
# infinite nor 0.
MIN_NUMBER, MAX_NUMBER = 1e-15, 1e15
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
        shown = key if len(key) <= QUOTED_MAX else key[:QUOTED_MAX] + "..."
        raise GgufError(f"{shown} {what}{where}", hint=hint)

    def integer(
        self, key: str, low: int, high: int, *, default: int | None = None, per_layer: bool = False
    ) -> int:
        """An integer within [low, high]; `per_layer` also takes an array of equal ones."""
        if key not in self and default is not None:
            return default
        kind, value, _ = self._required(key, "an integer")
        if per_layer and isinstance(value, np.ndarray) and value.dtype.kind in "iu":
            if not len(value):
                self.fail(key, "is an empty array, wanted one value for each layer")
            other = np.flatnonzero(value != value[0])[:1]
            if other.size:
                some = f"{value[0]}, {value[other[0]]}, ..."
                self.fail(key, f"differs between layers ({some}); one value is wanted")
            value = int(value[0])
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
        if value and not MIN_NUMBER <= abs(value) <= MAX_NUMBER:
            self.fail(key, f"is {value}, wanted {MIN_NUMBER} to {MAX_NUMBER} in size, or 0")
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

    def text(self, key: str, *, default: str | None = None, limit: int = MAX_TEXT_BYTES) -> str:
        """A string of at most `limit` bytes that is valid UTF-8."""
        if key not in self and default is not None:
            return default
        kind, value, _ = self._required(key, "a string")
        if not isinstance(value, bytes):
            self.fail(key, f"is {_described(kind)}, wanted a string")
        if len(value) > limit:
            self.fail(key, f"has {len(value)} bytes, wanted at most {limit}")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as exc:
            self.fail(key, f"is not UTF-8: byte {exc.start} of it is 0x{value[exc.start]:02x}")

    def strings(self, key: str) -> Strings:
        """An array of strings, which need not be text."""
        kind, value, _ = self._required(key, "an array of strings")
        if not isinstance(value, Strings):
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

    def plain(self, without: Collection[str] = ()) -> dict[str, object]:
        """For printing: strings become text (bad bytes replaced), arrays stay as they are."""
        return {
            key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for key, (_, value, _) in self._entries.items()
            if key not in without
        }

    def _required(self, key: str, wanted: str) -> tuple[ValueType, Value, int]:
        if key not in self:
            raise GgufError(f"{key} is missing, wanted {wanted}")
        return self._entries[key]


def _described(kind: ValueType, value: Value | None = None) -> str:
    if isinstance(value, Strings):
        return "an array of strings"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.name}"
    return f"of type {kind.name.lower()}"
