"""Plots: skeletons of stories, read from data/plots_*.txt (plots_a.txt explains the form)."""

from dataclasses import dataclass
from functools import cache

from harness.train.corpus.split import DATA, Variants, variants


@dataclass(frozen=True)
class Beat:
    """One step of a plot: ways to tell it, and what it does to the world."""

    ways: Variants
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """Settings (cast, weather, kinds of roles) and beats; `asks` are question | answer."""

    name: str
    settings: dict[str, str]
    beats: tuple[Beat, ...]
    asks: Variants


@cache
def plots() -> tuple[Plot, ...]:
    """All plots, in the order of the files."""
    found = []
    for path in sorted(DATA.glob("plots_*.txt")):
        blocks = f"\n{path.read_text(encoding='ascii')}".split("\n= ")
        found += [read_plot(block) for block in blocks[1:]]
    return tuple(found)


def read_plot(block: str) -> Plot:
    """One plot from its lines, the header without its `= `."""
    header, *lines = block.strip().splitlines()
    name, *pairs = (part.strip() for part in header.split(";"))
    beats, ways, asks = [], list[str](), list[str]()
    for line in lines:
        if line.startswith("*"):
            effects = tuple(e.strip() for e in line[1:].split(";") if e.strip())
            beats.append(Beat(variants(ways), effects))
            ways = []
        elif line.startswith("?"):
            asks.append(line[1:].strip().replace(" | ", "\t").replace("~ ", "~"))
        elif line.strip():
            ways.append(line)
    if ways:
        raise ValueError(f"plot {name}: the last beat has no line of effects")
    return Plot(name, dict(pair.split("=") for pair in pairs), tuple(beats), variants(asks))
