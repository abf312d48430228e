"""Sets of characters, over runs of code points that no regex here tells apart."""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.gguf.unicode import category_runs

CharacterSet = npt.NDArray[np.bool_]  # one truth per run of runs()

N_ASCII: Final = 0x80  # regexes name these one by one
WHITE_SPACE_CONTROLS: Final = b"\t\n\v\f\r\x85"  # White_Space is these and the separators (Z)


@cache
def runs() -> tuple[npt.NDArray[np.uint32], tuple[str, ...]]:
    """First code points and general categories; every ASCII character and U+0085 stand alone."""
    starts = {first: category for first, category in category_runs()}
    last = ""
    for code_point in range(0x100):
        last = starts.get(code_point, last)
        if code_point <= N_ASCII or code_point in (0x85, 0x86):
            starts[code_point] = last
    firsts = sorted(starts)
    return np.array(firsts, np.uint32), tuple(starts[first] for first in firsts)


def of_category(prefix: str) -> CharacterSet:
    r"""`\p{L}` or `\p{Lu}`: general categories that begin so."""
    return np.array([category.startswith(prefix) for category in runs()[1]])


def of_ascii(first: str, last: str) -> CharacterSet:
    """The characters from first to last, both ASCII."""
    if max(first, last) >= chr(N_ASCII):
        raise ValueError(f"{first!r} to {last!r} are not all ASCII")
    firsts, _ = runs()
    return (firsts >= ord(first)) & (firsts <= ord(last))


def white_space() -> CharacterSet:
    r"""`\s`: Unicode's White_Space."""
    return of_category("Z") | np.isin(runs()[0], list(WHITE_SPACE_CONTROLS))
