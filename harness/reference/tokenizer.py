"""Tokens from text and text from tokens: plain Python, independent of the kernel.

Special tokens are cut out first; the text between them is for the tokenizer of the vocabulary.
"""

from functools import lru_cache

from harness.gguf import Vocabulary
from harness.gguf.model import (
    TOKEN_BYTE,
    TOKEN_CONTROL,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_USER_DEFINED,
)
from harness.reference.bpe import bpe_piece, bpe_tokens, valid_text
from harness.reference.spm import spm_piece, spm_tokens
from harness.reference.wordpiece import wordpiece_tokens


def encode(
    vocabulary: Vocabulary,
    text: bytes | str,
    *,
    add_special: bool,
    parse_special: bool,
    never: frozenset[int] = frozenset(),
) -> list[int]:
    """Token ids. `add_special`: BOS/EOS as the model asks; `parse_special`: "<s>" is BOS.

    never: tokens that no text becomes, whatever it spells.
    """
    raw = text.encode() if isinstance(text, str) else text
    if vocabulary.model == "gpt2":
        raw = valid_text(raw)
    ids: list[int] = []
    if add_special and vocabulary.add_bos and vocabulary.bos_id is not None:
        ids.append(vocabulary.bos_id)
    after_special = True
    for fragment in _cut_special(vocabulary, raw, parse_special, never):
        if isinstance(fragment, int):
            ids.append(fragment)
            after_special = True
            continue
        if vocabulary.model == "bert":
            ids += wordpiece_tokens(vocabulary, fragment, never)
        elif vocabulary.model == "gpt2":
            ids += bpe_tokens(vocabulary, fragment, never)
        else:
            ids += spm_tokens(vocabulary, fragment, never, after_special=after_special)
        after_special = False
    if add_special and vocabulary.add_eos and vocabulary.eos_id is not None:
        ids.append(vocabulary.eos_id)
    return ids


def piece(vocabulary: Vocabulary, token: int) -> bytes:
    """The bytes a token prints; control and unknown tokens print nothing."""
    kind, text = vocabulary.types[token], vocabulary.tokens[token]
    if kind not in (TOKEN_NORMAL, TOKEN_USER_DEFINED, TOKEN_BYTE):
        return b""
    if vocabulary.model == "gpt2":
        return bpe_piece(text) if kind == TOKEN_NORMAL else text
    return bytes([int(text[3:5], 16)]) if kind == TOKEN_BYTE else spm_piece(text)


def decode(vocabulary: Vocabulary, ids: list[int]) -> bytes:
    """The text of a reply: the first token keeps its leading space."""
    return b"".join(piece(vocabulary, token) for token in ids)


def _cut_special(
    vocabulary: Vocabulary, text: bytes, parse_special: bool, never: frozenset[int]
) -> list[bytes | int]:
    """Text and special tokens in turn; longer specials are cut out of the whole text first."""
    fragments: list[bytes | int] = [text] if text else []
    for special, token in _specials(vocabulary, parse_special):
        if special not in text or token in never:
            continue
        cut: list[bytes | int] = []
        for fragment in fragments:
            if isinstance(fragment, int):
                cut.append(fragment)
                continue
            for i, part in enumerate(fragment.split(special)):
                cut += [token] if i else []
                said = part.lstrip() if i and token in vocabulary.swallow_space else part
                cut += [said] if said else []
        fragments = cut
    return fragments


@lru_cache(maxsize=8)
def _specials(vocabulary: Vocabulary, parse_special: bool) -> list[tuple[bytes, int]]:
    kinds = {TOKEN_USER_DEFINED}
    if parse_special:
        kinds |= {TOKEN_CONTROL, TOKEN_UNKNOWN}
    found = [(text, i) for i, text in enumerate(vocabulary.tokens) if vocabulary.types[i] in kinds]
    return sorted(found, key=lambda entry: -len(entry[0]))
