"""EMBED and its answers: texts go to the kernel, vectors come back."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.errors import TargetError
from harness.link.messages import EmbedFlag, Msg, Stop, fields_of, stop_of, words_of

Float32Array = np.ndarray[Any, np.dtype[np.float32]]

POOLINGS: Final = {
    "mean": EmbedFlag.MEAN,
    "cls": EmbedFlag.CLS,
    "last": EmbedFlag.LAST_TOKEN,
}
MAX_VALUES: Final = 1 << 16  # of a vector: the largest embedding_length that a model may have
VERSIONS = "kernel and harness come from different versions: rebuild the image"
_EMBED = struct.Struct("<I")
_VECTOR = struct.Struct("<IIfII")
_EMBEDDED = struct.Struct("<B3xIIIQQ")


def pack_embed(flags: EmbedFlag) -> bytes:
    """EMBED: the collected prompt is the next text."""
    return _EMBED.pack(flags)


@dataclass(frozen=True, eq=False)
class Vector:
    """A slice of a text's vector, from value `first` of `n_values` on."""

    text: int
    n_tokens: int
    length: float
    n_values: int
    first: int
    values: Float32Array


@dataclass(frozen=True)
class Embedded:
    """The end of an EMBED request: counts, and times in ticks of the kernel's counter."""

    stop: Stop  # LENGTH, or ABORT
    n_texts: int
    n_tokens: int
    n_passes: int
    ticks_receive: int
    ticks_compute: int


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of length 1, one per text, and the length that each had before."""

    vectors: Float32Array  # (n_texts, n_embd)
    lengths: Float32Array  # (n_texts,)
    n_tokens: tuple[int, ...]
    end: Embedded


def unpack_vector(payload: bytes) -> Vector:
    """VECTOR."""
    values = words_of(Msg.VECTOR, payload[_VECTOR.size :], "<f4")
    return Vector(*(*fields_of(Msg.VECTOR, _VECTOR, payload), values))


def unpack_embedded(payload: bytes) -> Embedded:
    """EMBEDDED."""
    stop, *counts = fields_of(Msg.EMBEDDED, _EMBEDDED, payload)
    return Embedded(stop_of(Msg.EMBEDDED, stop), *counts)


class VectorCollector:
    """Checks that nothing is missing while messages become Embeddings."""

    def __init__(self, n_texts: int, on_text: Callable[[int], None] | None = None) -> None:
        self._n_texts = n_texts
        self._on_text = on_text
        self._rows: list[Float32Array] = []
        self._lengths: list[float] = []
        self._n_tokens: list[int] = []
        self._filled = 0  # values of the newest row

    def add(self, part: Vector) -> None:
        """The next slice; on_text hears how many texts are complete.

        TargetError unless it is the one that is due, of a vector as long as those before.
        """
        self._check_shape(part)
        if part.first == 0 and self._is_full():
            self._rows.append(np.empty(part.n_values, np.float32))
            self._lengths.append(part.length)
            self._n_tokens.append(part.n_tokens)
            self._filled = 0
        number, end = max(len(self._rows) - 1, 0), part.first + len(part.values)
        if part.text != number or part.first != self._filled or end > part.n_values:
            raise TargetError(
                f"the kernel sent values {part.first} to {end} of text {part.text}, "
                f"expected those of text {number} from {self._filled} on",
                hint=VERSIONS,
            )
        self._rows[-1][part.first : end] = part.values
        self._filled = end
        if end == part.n_values and self._on_text is not None:
            self._on_text(len(self._rows))

    def _check_shape(self, part: Vector) -> None:
        wanted = len(self._rows[0]) if self._rows else None
        if not 0 < part.n_values <= MAX_VALUES or wanted not in (None, part.n_values):
            raise TargetError(
                f"the kernel sent a vector of {part.n_values} values, expected "
                f"{f'1 to {MAX_VALUES}' if wanted is None else wanted}",
                hint=VERSIONS,
            )
        if part.text >= self._n_texts:
            raise TargetError(
                f"the kernel sent values of text {part.text}, there are {self._n_texts}",
                hint=VERSIONS,
            )

    def _is_full(self) -> bool:
        """No vector is begun and not ended."""
        return not self._rows or self._filled == len(self._rows[-1])

    def result(self, end: Embedded) -> Embeddings:
        """All of it."""
        counts = {len(self._rows), end.n_texts}
        if counts != {self._n_texts} or not self._rows or not self._is_full():
            raise TargetError(
                f"the kernel sent vectors of {len(self._rows)} texts, expected {self._n_texts}"
            )
        return Embeddings(
            np.array(self._rows),
            np.array(self._lengths, np.float32),
            tuple(self._n_tokens),
            end,
        )
