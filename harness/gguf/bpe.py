"""The byte-level BPE ("gpt2") part of a vocabulary: merges, and how its texts spell bytes."""

from array import array
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from harness.errors import quoted
from harness.gguf.metadata import Metadata
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS, PreTokenizer
from harness.gguf.texts import TextIndex, Texts

MERGES_KEY: Final = "tokenizer.ggml.merges"
PRE_KEY: Final = "tokenizer.ggml.pre"
TOKENS_KEY: Final = "tokenizer.ggml.tokens"


def _byte_texts() -> tuple[bytes, ...]:
    """GPT-2's: printable Latin-1 characters stand for themselves, the other bytes, in order, for
    U+0100 and the following."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    code_points = {byte: byte for byte in printable}
    code_points |= {byte: 0x100 + i for i, byte in enumerate(others)}
    return tuple(chr(code_points[byte]).encode() for byte in range(256))


BYTE_TEXTS: Final = _byte_texts()  # how the texts of tokens and merges write each byte


def pre_tokenizer_of(metadata: Metadata) -> PreTokenizer:
    """The regexes that `pre` names; a name that nobody knows is an error, never a guess."""
    name = metadata.text(PRE_KEY, default="default")
    if name not in PRE_TOKENIZERS:
        metadata.fail(
            PRE_KEY,
            f"is {quoted(name)}, which is not supported; supported: {', '.join(PRE_TOKENIZERS)}",
            hint="how this model cuts text into pieces is not known here, and a guess would give "
            "it other tokens than it was trained with",
        )
    return PRE_TOKENIZERS[name]


def merges_of(metadata: Metadata, tokens: Texts, index: TextIndex) -> npt.NDArray[np.int32]:
    """Ids (left, right, merged) of each merge in order of rank, int32 (n, 3)."""
    flat = array("i")
    find = index.get
    for rank, line in enumerate(metadata.strings(MERGES_KEY)):
        cut = line.find(b" ", 1)  # a text may begin with a space, but has no other
        left, right = line[:cut], line[cut + 1 :]
        triple = find(left), find(right), find(left + right)
        if cut < 0 or min(triple) < 0:
            _refuse(metadata, rank, line, (left, right, left + right), index)
        flat.extend(triple)
    merges = np.frombuffer(flat, np.int32).reshape(-1, 3)
    pairs = merges[:, 0].astype(np.int64) * len(tokens) + merges[:, 1]
    in_order = np.sort(pairs)
    if (in_order[1:] == in_order[:-1]).any():
        _, first = np.unique(pairs, return_index=True)
        again = np.ones(len(pairs), bool)
        again[first] = False
        rank = int(np.argmax(again))
        earlier = int(np.argmax(pairs == pairs[rank]))
        line = b" ".join(tokens[i] for i in merges[rank, :2].tolist())
        metadata.fail(MERGES_KEY, f"[{rank}] is {quoted(line)}, as is [{earlier}]")
    return merges


def _refuse(
    metadata: Metadata, rank: int, line: bytes, texts: tuple[bytes, ...], index: TextIndex
) -> NoReturn:
    if line.find(b" ", 1) < 0 or line.endswith(b" "):
        metadata.fail(
            MERGES_KEY, f"[{rank}] is {quoted(line)}, wanted two texts and a space between"
        )
    missing = next(text for text in texts if text not in index)
    metadata.fail(MERGES_KEY, f"[{rank}] is {quoted(line)}, but no token is {quoted(missing)}")


def check_byte_tokens(metadata: Metadata, texts: TextIndex) -> None:
    """Plain ASCII must be expressible. Not every byte: some vocabularies have no token for bytes
    that their training text did not hold."""
    missing = [byte for byte in range(0x20, 0x7F) if BYTE_TEXTS[byte] not in texts]
    if missing:
        metadata.fail(
            TOKENS_KEY,
            f"has no token {BYTE_TEXTS[missing[0]].decode()!r}, which stands for byte "
            f"0x{missing[0]:02x}",
            hint="a byte-level BPE vocabulary has a token for every byte of its texts",
        )
