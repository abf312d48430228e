"""What BERT's normaliser makes of each character, as a table of runs for the kernel.

As llama.cpp does it, as far as its code tells (none of its answers has been compared): of a
canonical decomposition only the first character remains, which is a letter without its accents (and
of a Hangul syllable its first consonant alone).
"""

import unicodedata
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.gguf.unicode import N_CODE_POINTS, UNASSIGNED, category_runs, general_category
from harness.vocabulary.characters import N_ASCII, WHITE_SPACE_CONTROLS

LETTER, SPACE, ALONE, NOTHING = range(4)  # kernel/llm/wordpiece.c
KIND_SHIFT: Final = 24
EACH: Final = 0x80000000  # the characters of the run become as many in a row

REPLACEMENT: Final = 0xFFFD
# Every character is a word. The gap before 2B920 is HF's and llama.cpp's.
CHINESE: Final = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),
    range(0x2F800, 0x2FA20),
)


@lru_cache(maxsize=4)
def folding_runs(lowercase: bool, strip_accents: bool) -> npt.NDArray[np.uint32]:
    """`first | kind << 24` and `target | EACH` of each run, ascending, uint32 (n, 2)."""
    kinds, targets = _folded(lowercase, strip_accents)
    same_kind = np.diff(kinds) == 0
    ends = {  # of runs whose targets grow by 0, and by 1
        step: np.flatnonzero(~(same_kind & (np.diff(targets) == step))) + 1 for step in (0, 1)
    }
    rows = []
    first = 0
    while first < N_CODE_POINTS:
        end = {step: _first_beyond(ends[step], first) for step in ends}
        step = max(end, key=lambda step: end[step])
        rows.append((first | kinds[first] << KIND_SHIFT, targets[first] | EACH * step))
        first = end[step]
    return np.array(rows, np.uint32)


def _first_beyond(ends: npt.NDArray[np.int64], first: int) -> int:
    i = np.searchsorted(ends, first, side="right")
    return int(ends[i]) if i < len(ends) else N_CODE_POINTS


def _folded(
    lowercase: bool, strip_accents: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Kind and target of every code point; what Unicode 15.1 does not know stays as it is."""
    kinds = np.full(N_CODE_POINTS, LETTER)
    targets = np.arange(N_CODE_POINTS)
    firsts, categories = zip(*category_runs(), strict=True)
    for first, end, category in zip(firsts, (*firsts[1:], N_CODE_POINTS), categories, strict=True):
        if category == UNASSIGNED:
            continue
        if category[0] == "C":
            kinds[first:end] = NOTHING
            continue
        for code_point in range(first, end):
            base = chr(code_point)
            if strip_accents:
                base = unicodedata.normalize("NFD", base)[0]
            kinds[code_point] = _kind(ord(base), general_category(ord(base)), strip_accents)
            targets[code_point] = ord(base.lower()[0] if lowercase else base)
    kinds[list(WHITE_SPACE_CONTROLS)] = SPACE
    targets[(kinds == SPACE) | (kinds == NOTHING)] = 0
    return kinds, targets


def _kind(code_point: int, category: str, strip_accents: bool) -> int:
    if category[0] == "Z":
        return SPACE
    if code_point == REPLACEMENT or (strip_accents and category[0] == "M"):
        return NOTHING
    ascii_symbol = category[0] == "S" and code_point < N_ASCII
    chinese = any(code_point in block for block in CHINESE)
    return ALONE if category[0] == "P" or ascii_symbol or chinese else LETTER
