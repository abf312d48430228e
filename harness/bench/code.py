"""Whose code an address of the image is: function, and the source that it comes from."""

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.bench.counter import Piece
from harness.compile import Elf, extents


@dataclass(frozen=True)
class Function:
    """`source` is a path below kernel/ (`nn/rope_neon.c`), empty when no object is at hand."""

    name: str
    source: str
    start: int
    end: int


NOWHERE = Function("(outside the image)", "", 0, 0)


class Code:
    """The functions of an image, found by address."""

    def __init__(self, elf: Elf, objects: Path) -> None:
        """`objects`: where compile_kernel keeps the object files, NAME.c.o at NAME.c's path."""
        sources = _sources(objects)
        self.elf = elf
        self.functions = tuple(
            Function(name, sources.get(name, ""), start, end)
            for name, start, end in sorted(extents(elf), key=lambda extent: extent[1])
        )
        self._starts = [function.start for function in self.functions]

    def at(self, address: int) -> Function:
        """The function that an instruction belongs to."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.functions[index].end:
            return NOWHERE
        return self.functions[index]

    def executed(self, pieces: Iterable[Piece]) -> Counter[Function]:
        """Instructions per function; a piece may run on into the next function."""
        counts: Counter[Function] = Counter()
        for piece in pieces:
            address, end = piece.address, piece.address + 4 * piece.n
            while address < end:
                function = self.at(address)
                border = min(end, function.end) if function is not NOWHERE else end
                counts[function] += (border - address) // 4 * piece.times
                address = border
        return counts


def _sources(objects: Path) -> dict[str, str]:
    """Function -> source. Of two static functions with one name the last counts: layers differ
    rarely."""
    sources: dict[str, str] = {}
    for file in sorted(objects.rglob("*.o")):
        source = file.relative_to(objects).as_posix().removesuffix(".o")
        for symbol in Elf.read(file).symbols:
            if symbol.section != "SHN_UNDEF" and symbol.kind in ("STT_FUNC", "STT_NOTYPE"):
                sources[symbol.name] = source
    return sources
