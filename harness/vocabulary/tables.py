"""The vocabulary's tables in model.blob: those that its kind of tokenizer reads, and no others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from harness.gguf import Vocabulary
from harness.gguf.bpe import BYTE_TEXTS
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED
from harness.vocabulary.automaton import compile_regexes
from harness.vocabulary.folding import folding_runs

NO_TOKEN: Final = 0xFFFFFFFF
SWALLOWS_SPACE: Final = 0x80000000  # flag of an entry of token_special
NEVER_TEXT: Final = (TOKEN_CONTROL, TOKEN_UNKNOWN)  # no text becomes one by being merged
SPECIAL: Final = (*NEVER_TEXT, TOKEN_USER_DEFINED)  # cut out of the text as they are

_BYTES = {text.decode(): bytes([byte]) for byte, text in enumerate(BYTE_TEXTS)}


@dataclass(frozen=True)
class Table:
    """Little-endian, `layout` u8 or u32, rows and columns as kernel/llm/vocabulary.h names them."""

    name: str
    layout: Literal["u8", "u32", "bytes"]
    n_rows: int
    n_cols: int
    data: bytes


@lru_cache(maxsize=2)  # planned, then written
def vocabulary_tables(vocabulary: Vocabulary) -> tuple[Table, ...]:
    """All tables of a vocabulary, in the order of the blob."""
    kinds = {"llama": _sentencepiece, "gpt2": _byte_level_bpe, "bert": _wordpiece}
    texts = token_bytes(vocabulary)
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    special = np.flatnonzero(np.isin(vocabulary.types, SPECIAL)).tolist()
    return (
        _u32("token_text_offset", offsets),
        Table("token_text", "bytes", 1, int(offsets[-1]), b"".join(texts)),
        _u8("token_type", vocabulary.types),
        # The longest first: a token may be the beginning of another.
        _u32(
            "token_special",
            [
                i | SWALLOWS_SPACE * (i in vocabulary.swallow_space)
                for i in sorted(special, key=lambda i: (-len(texts[i]), i))
            ],
        ),
        *kinds[vocabulary.model](vocabulary, texts),
    )


def token_bytes(vocabulary: Vocabulary) -> Sequence[bytes]:
    """What the kernel finds as a token's text: of byte-level BPE the bytes that it spells."""
    if vocabulary.model != "gpt2":
        return vocabulary.tokens
    return [
        _spelled(text) if kind == TOKEN_NORMAL else text
        for text, kind in zip(vocabulary.tokens, vocabulary.types.tolist(), strict=True)
    ]


def _spelled(text: bytes) -> bytes:
    """The bytes; a text with other characters than those of bytes stands for itself."""
    try:
        return b"".join([_BYTES[character] for character in text.decode()])
    except (KeyError, UnicodeDecodeError):
        return text


def _sentencepiece(vocabulary: Vocabulary, texts: Sequence[bytes]) -> Iterator[Table]:
    _, ranks = np.unique(-vocabulary.scores, return_inverse=True)
    yield _u32("token_rank", ranks)
    yield _sorted(texts, range(len(texts)))


def _byte_level_bpe(vocabulary: Vocabulary, texts: Sequence[bytes]) -> Iterator[Table]:
    pre = vocabulary.pre
    assert pre is not None
    may_be_text = ~np.isin(vocabulary.types, NEVER_TEXT)
    ids = {text: i for i, text in enumerate(vocabulary.tokens) if may_be_text[i]}
    yield _u32("byte_token", [ids.get(text, NO_TOKEN) for text in BYTE_TEXTS])
    ranks = np.flatnonzero(may_be_text[vocabulary.merges[:, 2]])
    merges = vocabulary.merges[ranks]
    order = np.lexsort((merges[:, 1], merges[:, 0]))
    left, right, merged = merges[order].T
    yield _u32("merge_first", np.searchsorted(left, np.arange(len(texts) + 1)))
    yield _u32("merge", np.stack([right, ranks[order], merged], axis=1))
    if pre.ignore_merges:
        yield _sorted(texts, np.flatnonzero(vocabulary.types == TOKEN_NORMAL).tolist())
    automaton = compile_regexes(pre.regexes)
    yield _u32("pre_class", automaton.classes)
    yield _u8("pre_table", automaton.table)
    yield _u8("pre_start", automaton.starts)


def _wordpiece(vocabulary: Vocabulary, texts: Sequence[bytes]) -> Iterator[Table]:
    may_be_text = np.flatnonzero(~np.isin(vocabulary.types, NEVER_TEXT))
    yield _sorted(texts, may_be_text.tolist())
    yield _u32("fold", folding_runs(vocabulary.lowercase, vocabulary.strip_accents))


def _sorted(texts: Sequence[bytes], ids: Sequence[int]) -> Table:
    return _u32("token_sorted", sorted(ids, key=lambda i: (texts[i], i)))


def _u32(name: str, values: npt.ArrayLike) -> Table:
    array = np.atleast_2d(np.asarray(values, "<u4"))
    return Table(name, "u32", array.shape[0], array.shape[1], array.tobytes())


def _u8(name: str, values: npt.ArrayLike) -> Table:
    array = np.atleast_2d(np.asarray(values, np.uint8))
    return Table(name, "u8", array.shape[0], array.shape[1], array.tobytes())
