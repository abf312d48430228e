"""A valid WordPiece vocabulary of any size: what begins words has U+2581 in front of it."""

from itertools import islice
from typing import Final

from harness.errors import SynthError
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN
from harness.synth.metadata import WordTable
from harness.synth.vocabulary import SPACE, prefixes

# BERT's own ids: 0, then 99 that nothing uses, then these.
UNUSED: Final = tuple(f"[unused{i}]" for i in range(99))
SPECIAL: Final = ("[PAD]", *UNUSED, "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BEGINS: Final = [SPACE + chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
ENDS: Final = [chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum() and code > 0x2F]
LETTERS: Final = [text for text in ENDS if not text.isupper()]
MIN_TOKENS: Final = len(SPECIAL) + len(BEGINS) + len(LETTERS)


def make_words(n_vocab: int) -> WordTable:
    """BERT's special tokens, every printable ASCII character, then pieces of words."""
    if n_vocab < MIN_TOKENS:
        raise SynthError(
            f"a vocabulary of {n_vocab} tokens cannot hold {len(SPECIAL)} special tokens and "
            f"{len(BEGINS) + len(LETTERS)} characters",
            hint=f"ask for {MIN_TOKENS} tokens or more",
        )
    texts = dict.fromkeys([*BEGINS, *LETTERS])  # a set that keeps its order
    lower = (piece for piece in prefixes() if piece.islower() and piece not in texts)
    pieces = dict.fromkeys(islice(lower, n_vocab - MIN_TOKENS))
    while len(pieces) < n_vocab - MIN_TOKENS:  # some came twice
        pieces |= dict.fromkeys(islice(lower, n_vocab - MIN_TOKENS - len(pieces)))
    types = [TOKEN_NORMAL if text in UNUSED else TOKEN_CONTROL for text in SPECIAL]
    types[SPECIAL.index("[UNK]")] = TOKEN_UNKNOWN
    words = [*texts, *pieces]
    return WordTable([*SPECIAL, *words], types + [TOKEN_NORMAL] * len(words))
