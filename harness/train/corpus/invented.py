"""Words that mean nothing."""

from random import Random

_STARTS = (*"bdfghjklmnprstvwz", "bl", "br", "dr", "fl", "gr", "kr", "pl", "sn", "st", "tr")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "oo")
_ENDS = ("", "", "b", "l", "n", "nk", "p", "r", "rf", "x", "z")  # what makes few English words


def invented(rng: Random) -> str:
    """One or two syllables in small letters: 2,160 or, mostly, their 4.7 million pairs."""
    syllables = (
        rng.choice(_STARTS) + rng.choice(_VOWELS) + rng.choice(_ENDS)
        for _ in range(rng.choice((1, 2, 2, 2)))
    )
    return "".join(syllables)
