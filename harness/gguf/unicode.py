"""The characters of Unicode 15.1, which is what llama.cpp's own tables know.

A fixed version: the category of a character must not depend on the Python that built an image.
Characters of later versions count as unassigned.
"""

from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).parent / "unicode-15.1.txt"
N_CODE_POINTS: Final = 0x110000
UNASSIGNED: Final = "Cn"


@cache
def category_runs() -> tuple[tuple[int, str], ...]:
    """(first code point, general category) of each run, ascending; the first run begins at 0."""
    lines = (line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    return tuple((int(first, 16), category) for first, category in lines)


def general_category(code_point: int) -> str:
    """Two letters, as `Lu` for an upper-case letter."""
    runs = category_runs()
    return runs[bisect_right(runs, code_point, key=lambda run: run[0]) - 1][1]
