"""A small WordPiece vocabulary, without a file."""

import numpy as np

from harness.gguf import Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED

SPECIAL = {
    "[PAD]": TOKEN_CONTROL,
    "[UNK]": TOKEN_UNKNOWN,
    "[CLS]": TOKEN_CONTROL,
    "[SEP]": TOKEN_CONTROL,
    "[X Y]": TOKEN_USER_DEFINED,
}
WORDS = "the then token naive cafe 20 2026 playing ! ' . $ 你 世 ᄒ жизнь é É The ß ₂ ▁"
ENDS = "s n ing ize izer 26 6 a b c d e f g h i k l m o p r t u v w x y z é 0 1 世 ᅡ ь ̈ "


def wordpiece_vocabulary(*, lowercase: bool = True, strip_accents: bool = True) -> Vocabulary:
    """Beginnings of words, some letters among them, and ends."""
    begins = [*WORDS.split(), *"abcdefghiklmnoprstuvwxyz", "A", "B", "T"]
    types = SPECIAL | dict.fromkeys(["\u2581" + text for text in begins], TOKEN_NORMAL)
    types |= dict.fromkeys(ENDS.split(), TOKEN_NORMAL)
    types["hidden"] = TOKEN_CONTROL  # no text becomes it
    ids = {text: i for i, text in enumerate(types)}
    return Vocabulary(
        tokens=tuple(text.encode() for text in types),
        scores=np.zeros(len(types), np.float32),
        types=np.array(list(types.values()), np.uint8),
        bos_id=ids["[CLS]"],
        eos_id=ids["[SEP]"],
        unk_id=ids["[UNK]"],
        add_bos=True,
        add_eos=True,
        add_space_prefix=False,
        eog_ids=(ids["[SEP]"],),
        model="bert",
        lowercase=lowercase,
        strip_accents=strip_accents,
    )
