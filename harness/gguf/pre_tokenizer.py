"""tokenizer.ggml.pre: how the text of a byte-level BPE model is cut before pairs are merged."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class PreTokenizer:
    """Regexes in a row: each cuts the pieces of the one before, and what lies between its matches
    stays as a piece.

    ignore_merges: a piece that is a token is taken whole. add_bos: what an absent
    `tokenizer.ggml.add_bos_token` means.
    """

    regexes: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


# As llama.cpp has them. A `|` between two literals is a new line here.
GPT2: Final = (
    r"'s|'t|'re|'ve|'m|'ll|'d"
    r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
)
LLAMA3: Final = (
    r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# A letter outside ASCII has no case: it continues both.
TEKKEN: Final = (
    r"[^\r\n\p{L}\p{N}]?(?:(?![a-z])\p{L})*(?:(?![A-Z])\p{L})+"
    r"|[^\r\n\p{L}\p{N}]?(?:(?![a-z])\p{L})+(?:(?![A-Z])\p{L})*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_GPT2 = PreTokenizer((GPT2,))
_LLAMA3 = PreTokenizer((LLAMA3,), ignore_merges=True, add_bos=True)
_QWEN2 = PreTokenizer((LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),))
_SMOLLM = PreTokenizer((r"\p{N}", GPT2))

PRE_TOKENIZERS: Final = {
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
    "smollm": _SMOLLM,
    "starcoder": _SMOLLM,
    "refact": _SMOLLM,
    "command-r": _SMOLLM,
    "gpt-2": _GPT2,
    "mpt": _GPT2,
    "olmo": _GPT2,
    "tekken": PreTokenizer((TEKKEN,), ignore_merges=True, add_bos=True),
    "default": PreTokenizer((r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
}
