"""A valid vocabulary of any size, in which every token can be reached.

The texts are closed under prefixes: with "▁the", "▁th" and "▁t" are tokens too. So whatever the
scores, a token's own text merges to that token: the first two pieces of any split of it make a
prefix of it, which is a token, so merging never gets stuck.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from harness.errors import SynthError
from harness.gguf.bpe import BYTE_TEXTS
from harness.gguf.model import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from harness.synth.metadata import MergeTable, TokenTable
from harness.synth.words import CODAS, ENDINGS, FREQUENT, ONSETS, VOWELS

SPACE: Final = "\u2581"
SPECIAL: Final = ("<unk>", "<s>", "</s>")
CHARACTERS: Final = SPACE + "".join(map(chr, range(0x21, 0x7F)))
MORE_CHARACTERS: Final = "äöüßéèàçñ–—‘’“”…€"  # noqa: RUF001 (these characters are meant)
# As Llama 3 has them.
CONTROL_TOKENS: Final = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
)
MIN_TOKENS: Final = len(SPECIAL) + 256 + len(CHARACTERS)


def make_vocabulary(n_vocab: int) -> TokenTable:
    """unk, bos, eos, 256 bytes, merged pieces with descending scores, single characters."""
    if n_vocab < MIN_TOKENS:
        raise SynthError(
            f"a vocabulary of {n_vocab} tokens cannot hold the {MIN_TOKENS} special tokens, bytes "
            "and ASCII characters",
            hint=f"ask for {MIN_TOKENS} tokens or more",
        )
    n_free = n_vocab - MIN_TOKENS
    # Room for other alphabets once English is served.
    characters = CHARACTERS + (MORE_CHARACTERS if n_free > 1000 else "")
    pieces = _pieces(n_vocab - len(SPECIAL) - 256 - len(characters))
    merged = [*pieces, *characters]
    texts = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *merged]
    types = [TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL]
    types += [TOKEN_BYTE] * 256 + [TOKEN_NORMAL] * len(merged)
    scores = [0.0] * (len(SPECIAL) + 256) + [-float(rank) for rank in range(len(merged))]
    return TokenTable(texts, scores, types)


def make_merges(n_vocab: int, pre: str) -> MergeTable:
    """256 bytes, one merged piece for each merge, control tokens: the shape of Llama 3's."""
    n_merges = n_vocab - 256 - len(CONTROL_TOKENS)
    if n_merges < 1:
        raise SynthError(
            f"a vocabulary of {n_vocab} tokens cannot hold 256 bytes and {len(CONTROL_TOKENS)} "
            "special tokens",
            hint=f"ask for {256 + len(CONTROL_TOKENS) + 1} tokens or more",
        )
    if pre not in PRE_TOKENIZERS:
        raise SynthError(f"--pre is {pre!r}", hint=f"choose one of: {', '.join(PRE_TOKENIZERS)}")
    space = BYTE_TEXTS[ord(" ")].decode()
    pieces = [piece.replace(SPACE, space) for piece in _pieces(n_merges)]
    texts = [*(text.decode() for text in BYTE_TEXTS), *pieces, *CONTROL_TOKENS]
    first_control = 256 + n_merges
    return MergeTable(
        pre=pre,
        texts=texts,
        types=[TOKEN_NORMAL] * first_control + [TOKEN_CONTROL] * len(CONTROL_TOKENS),
        # What stands before the last character of a piece is a piece of an earlier merge.
        merges=[f"{piece[:-1]} {piece[-1]}" for piece in pieces],
        bos_id=first_control,
        eos_id=first_control + 1,
        eot_id=first_control + 2,
    )


def _pieces(n: int) -> list[str]:
    """The first n texts of two characters or more, each after all its prefixes."""
    pieces: dict[str, None] = {}  # a set that keeps its order
    for piece in prefixes():
        if len(pieces) == n:
            return list(pieces)
        pieces.setdefault(piece)
    raise SynthError(f"there are not enough words for {n} tokens", hint="ask for fewer")


def prefixes() -> Iterator[str]:
    """Texts of two characters or more, each after all its prefixes; some come again."""
    for word in _words():
        for length in range(2, len(word) + 1):
            yield word[:length]


def _words() -> Iterator[str]:
    frequent = FREQUENT.split()
    spaced = [SPACE + word for word in frequent]
    # Interleaved, so that a small vocabulary has some of each kind.
    yield from _interleave(spaced, ENDINGS.split(), every=12)
    yield SPACE * 8
    yield from (SPACE + word.capitalize() for word in frequent)
    yield from frequent
    yield from (
        SPACE + word + ending
        for ending in ("s", "ed", "er", "ing", "ly", "ness", "able", "ment")
        for word in frequent
        if len(word) > 3
    )
    yield from _syllable_words()


def _syllable_words() -> Iterator[str]:
    """Four million words of two syllables, evenly mixed."""
    syllables = [a + b + c for a in ONSETS.split() for b in VOWELS.split() for c in CODAS.split()]
    n = len(syllables)
    for i in range(n * n):
        # With strides that share no factor with n, i visits every pair once.
        first, second = i * 1009 % n, (i // n + i * 331) % n
        yield SPACE + syllables[first] + syllables[second]


def _interleave(most: Iterable[str], some: Iterable[str], every: int) -> Iterator[str]:
    rest = iter(some)
    for i, word in enumerate(most):
        yield word
        if i % every == every - 1:
            yield from islice(rest, 1)
    yield from rest
