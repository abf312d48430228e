"""What is held out from training, and by which rule.

Phrasings: in the data files a line that starts with `~` is held out; `valid` uses only such lines
wherever a list has any, `train` never does. Pairs (of the numbers of sums and differences, of room
and device): a checksum of the pair decides, so that the rule is one line and needs no list. Of
products only the phrasings are held out: training has the whole times table. Names that have to be
copied and nonsense words are partly or wholly of other lists in `train` than in `valid`.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from harness.train.corpus.template import Template, parse

Split = Literal["train", "valid"]
# Of a document that is partly held out: "train" ways are those it shares with training, "all" ways
# those of training itself.
Way = Literal["train", "valid", "all"]

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Variants:
    """Ways to say one thing, divided between the splits."""

    train: tuple[Template, ...]
    valid: tuple[Template, ...]
    extra: tuple[Template, ...] = ()

    def pick(self, rng: Random, way: Way) -> Template:
        """One of the ways that may be used."""
        ways = self.valid if way == "valid" and self.valid else self.train
        ways += self.extra if way == "all" else ()
        return ways[int(rng.random() * len(ways))]


def variants(lines: list[str]) -> Variants:
    """`~` marks the held-out lines, `+` those for training alone."""
    return Variants(
        tuple(parse(line) for line in lines if line[0] not in "~+"),
        tuple(parse(line[1:].strip()) for line in lines if line.startswith("~")),
        tuple(parse(line[1:].strip()) for line in lines if line.startswith("+")),
    )


@cache
def sections(name: str) -> dict[str, Variants]:
    """A data file of `== title` lines, each followed by its variants; `#` starts a comment."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in (DATA / f"{name}.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("== "):
            title = line[3:].strip()
            found[title] = []
        elif line.strip() and not line.startswith("#"):
            found[title].append(line.strip())
    return {title: variants(lines) for title, lines in found.items()}


@cache
def held_out(key: str, one_in: int = 10) -> bool:
    """Whether the pair written in `key` belongs to `valid`."""
    return zlib.crc32(key.encode()) % one_in == 0


def allowed(key: str, split: Split, one_in: int = 10) -> bool:
    """Whether this split may use the pair written in `key`."""
    return held_out(key, one_in) == (split == "valid")
