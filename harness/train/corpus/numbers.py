"""Numbers as words."""

from harness.train.corpus.data import listed

ONES = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = ("", "", *listed("twenty thirty forty fifty sixty seventy eighty ninety"))


def in_words(n: int) -> str:
    """0 to 99, in words: `twenty-one`."""
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")
