"""The vocabulary's tables in model.blob: those that its kind of tokenizer reads, and no others."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from harness.gguf import Vocabulary
from harness.gguf.bpe import BYTE_TEXTS
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED
from harness.gguf.texts import Texts
from harness.vocabulary.automaton import compile_regexes
from harness.vocabulary.folding import folding_runs
from harness.vocabulary.order import in_order

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
    return (
        _u32("token_text_offset", texts.offsets),
        Table("token_text", "bytes", 1, len(texts.raw), texts.raw),
        _u8("token_type", vocabulary.types),
        _u32("token_special", _special(vocabulary, texts)),
        *kinds[vocabulary.model](vocabulary, texts),
    )


def token_bytes(vocabulary: Vocabulary) -> Texts:
    """What the kernel finds as a token's text: of byte-level BPE the bytes that it spells."""
    if vocabulary.model != "gpt2":
        return Texts.of(vocabulary.tokens)
    kinds = vocabulary.types.tobytes()
    return Texts.of(
        _spelled(text) if kind == TOKEN_NORMAL else text
        for text, kind in zip(vocabulary.tokens, kinds, strict=True)
    )


def _special(vocabulary: Vocabulary, texts: Texts) -> npt.NDArray[np.uint32]:
    """The longest first: a token may be the beginning of another."""
    special = np.flatnonzero(np.isin(vocabulary.types, SPECIAL)).astype(np.uint32)
    special = special[np.argsort(-texts.lengths()[special].astype(np.int32), kind="stable")]
    swallows = np.isin(special, np.array(sorted(vocabulary.swallow_space), np.uint32))
    return special | swallows.astype(np.uint32) * np.uint32(SWALLOWS_SPACE)


def _spelled(text: bytes) -> bytes:
    """The bytes; a text with other characters than those of bytes stands for itself."""
    try:
        return b"".join([_BYTES[character] for character in text.decode()])
    except (KeyError, UnicodeDecodeError):
        return text


def _sentencepiece(vocabulary: Vocabulary, texts: Texts) -> Iterator[Table]:
    yield _u32("token_rank", _ranks(vocabulary.scores))
    yield _sorted(texts, np.arange(len(texts), dtype=np.uint32))


def _ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """0 for the highest score, 1 for the next lower one, and so on; equal scores rank alike."""
    order = np.argsort(-scores)
    ordered = scores[order]
    ranks = np.zeros(len(scores), np.uint32)
    ranks[order[1:]] = np.cumsum(ordered[1:] != ordered[:-1], dtype=np.uint32)
    return ranks


def _byte_level_bpe(vocabulary: Vocabulary, texts: Texts) -> Iterator[Table]:
    pre = vocabulary.pre
    assert pre is not None
    may_be_text = ~np.isin(vocabulary.types, NEVER_TEXT)
    byte_texts = frozenset(BYTE_TEXTS)
    ids = {
        text: i for i, text in enumerate(vocabulary.tokens) if text in byte_texts and may_be_text[i]
    }
    yield _u32("byte_token", [ids.get(text, NO_TOKEN) for text in BYTE_TEXTS])
    ranks = np.flatnonzero(may_be_text[vocabulary.merges[:, 2]])
    merges = vocabulary.merges[ranks]
    order = np.lexsort((merges[:, 1], merges[:, 0]))
    merges = merges[order]
    yield _u32("merge_first", np.searchsorted(merges[:, 0], np.arange(len(texts) + 1)))
    merges[:, 0] = merges[:, 1]  # right, rank, merged
    merges[:, 1] = ranks[order]
    yield _u32("merge", merges)
    if pre.ignore_merges:
        yield _sorted(texts, np.flatnonzero(vocabulary.types == TOKEN_NORMAL))
    automaton = compile_regexes(pre.regexes)
    yield _u32("pre_class", automaton.classes)
    yield _u8("pre_table", automaton.table)
    yield _u8("pre_start", automaton.starts)


def _wordpiece(vocabulary: Vocabulary, texts: Texts) -> Iterator[Table]:
    yield _sorted(texts, np.flatnonzero(~np.isin(vocabulary.types, NEVER_TEXT)))
    yield _u32("fold", folding_runs(vocabulary.lowercase, vocabulary.strip_accents))


def _sorted(texts: Texts, ids: npt.NDArray[np.integer]) -> Table:
    return _u32("token_sorted", in_order(texts, ids.astype(np.uint32)))


def _u32(name: str, values: npt.ArrayLike) -> Table:
    array = np.atleast_2d(np.asarray(values, "<u4"))
    return Table(name, "u32", array.shape[0], array.shape[1], array.tobytes())


def _u8(name: str, values: npt.ArrayLike) -> Table:
    array = np.atleast_2d(np.asarray(values, np.uint8))
    return Table(name, "u8", array.shape[0], array.shape[1], array.tobytes())
