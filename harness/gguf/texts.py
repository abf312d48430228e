"""Many short byte strings in little memory: a vocabulary's texts, and where each stands.

As Python's objects a text takes 50 bytes, its place in a tuple 8 and its entry in a dict about 50
more; in a file it may take 9.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Self, overload

import numpy as np
import numpy.typing as npt


class Texts(Sequence[bytes]):
    """Text i is raw[offsets[i] : offsets[i + 1]]; offsets: uint32 (n + 1,). Read-only."""

    def __init__(self, raw: bytes, offsets: npt.NDArray[np.uint32]) -> None:
        self.raw = raw
        self.offsets = offsets
        self.at = offsets.data  # its items are Python's integers, and cheap

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> Self:
        """One after another, so that an iterator's texts need not exist at the same time."""
        raw, ends, end = BytesIO(), array("I", [0]), 0
        for text in texts:
            end += raw.write(text)
            ends.append(end)
        return cls(raw.getvalue(), np.frombuffer(ends, np.uint32))  # neither is a copy

    def lengths(self) -> npt.NDArray[np.uint32]:
        """Bytes of each text, (n,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, i: int) -> bytes: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, i: int | slice) -> bytes | tuple[bytes, ...]:
        if isinstance(i, slice):
            return tuple(self[k] for k in range(*i.indices(len(self))))
        i = range(len(self))[i]
        return self.raw[self.at[i] : self.at[i + 1]]

    def __iter__(self) -> Iterator[bytes]:
        raw, start = self.raw, 0
        for end in self.at[1:]:
            yield raw[start:end]
            start = end


class TextIndex:
    """Text -> its number, by open addressing: 8 bytes a text beside the texts.

    Hashes are Python's, which no file can foresee. `again` is the first text that equals an earlier
    one, as (its number, the earlier one's); then nothing behind it can be found.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._slots = np.zeros(2 * len(texts) + 1, np.int32)  # number + 1; 0: free
        self._view = self._slots.data
        self.again: tuple[int, int] | None = None
        slots = self._view
        for i, text in enumerate(texts):
            slot = self._slot(text)
            if slots[slot]:
                self.again = i, slots[slot] - 1
                break
            slots[slot] = i + 1

    def get(self, text: bytes, default: int = -1) -> int:
        """The text's number, or `default` where there is none."""
        number = self._view[self._slot(text)]
        return number - 1 if number else default

    def __contains__(self, text: bytes) -> bool:
        return self._view[self._slot(text)] > 0

    def _slot(self, text: bytes) -> int:
        """Where the text is, or would be."""
        slots, raw, at = self._view, self._texts.raw, self._texts.at
        slot = hash(text) % len(slots)
        while (number := slots[slot]) and raw[at[number - 1] : at[number]] != text:
            slot = (slot + 1) % len(slots)
        return slot
