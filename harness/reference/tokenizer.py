"""SentencePiece tokens from text and text from tokens: plain Python, independent of the kernel.

Encoding: cut out special tokens, mark spaces as U+2581, split into UTF-8 characters, then merge
the adjacent pair whose text is the token of the highest score (leftmost on a tie) until none is.
"""

import heapq
from functools import lru_cache

from harness.errors import ReferenceModelError
from harness.gguf import Vocabulary
from harness.gguf.model import (
    TOKEN_BYTE,
    TOKEN_CONTROL,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_USER_DEFINED,
)

_SPACE = "▁".encode()


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
    ids: list[int] = []
    if add_special and vocabulary.add_bos and vocabulary.bos_id is not None:
        ids.append(vocabulary.bos_id)
    after_special = True
    for fragment in _cut_special(vocabulary, raw, parse_special, never):
        if isinstance(fragment, int):
            ids.append(fragment)
            after_special = True
            continue
        prefix = b" " if vocabulary.add_space_prefix and after_special else b""
        ids += _merge(vocabulary, (prefix + fragment).replace(b" ", _SPACE), never)
        after_special = False
    if add_special and vocabulary.add_eos and vocabulary.eos_id is not None:
        ids.append(vocabulary.eos_id)
    return ids


def piece(vocabulary: Vocabulary, token: int) -> bytes:
    """The bytes a token prints; control and unknown tokens print nothing."""
    kind, text = vocabulary.types[token], vocabulary.tokens[token]
    if kind == TOKEN_BYTE:
        return bytes([int(text[3:5], 16)])
    if kind in (TOKEN_NORMAL, TOKEN_USER_DEFINED):
        return text.replace(_SPACE, b" ")
    return b""


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
                cut += [part] if part else []
        fragments = cut
    return fragments


@lru_cache(maxsize=8)
def _specials(vocabulary: Vocabulary, parse_special: bool) -> list[tuple[bytes, int]]:
    kinds = {TOKEN_USER_DEFINED}
    if parse_special:
        kinds |= {TOKEN_CONTROL, TOKEN_UNKNOWN}
    found = [(text, i) for i, text in enumerate(vocabulary.tokens) if vocabulary.types[i] in kinds]
    return sorted(found, key=lambda entry: -len(entry[0]))


@lru_cache(maxsize=4)
def _ids_by_text(vocabulary: Vocabulary, never: frozenset[int]) -> dict[bytes, int]:
    return {text: i for i, text in enumerate(vocabulary.tokens) if i not in never}


def _merge(vocabulary: Vocabulary, text: bytes, never: frozenset[int]) -> list[int]:
    """Symbols are a linked list of byte ranges; the heap holds candidate merges, some outdated."""
    token_of = _ids_by_text(vocabulary, never)
    symbols = _characters(text)
    previous = list(range(-1, len(symbols) - 1))
    following = [*range(1, len(symbols)), -1]
    heap: list[tuple[float, int, int, bytes]] = []

    def propose(left: int, right: int) -> None:
        if left < 0 or right < 0:
            return
        joined = symbols[left] + symbols[right]
        token = token_of.get(joined)
        if token is not None:
            heapq.heappush(heap, (-float(vocabulary.scores[token]), left, right, joined))

    for i in range(len(symbols) - 1):
        propose(i, i + 1)
    while heap:
        _, left, right, joined = heapq.heappop(heap)
        # Both sides only ever grow, so equal text means that neither has changed since.
        if not symbols[left] or not symbols[right] or symbols[left] + symbols[right] != joined:
            continue
        symbols[left], symbols[right] = joined, b""
        following[left] = following[right]
        if following[right] >= 0:
            previous[following[right]] = left
        propose(previous[left], left)
        propose(left, following[left])
    return [token for symbol in symbols if symbol for token in _tokens_of(token_of, symbol)]


def _characters(text: bytes) -> list[bytes]:
    """UTF-8 characters by their lead byte; stray bytes stand alone."""
    out, i = [], 0
    while i < len(text):
        lead = text[i]
        n = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        out.append(text[i : i + n])
        i += n
    return out


def _tokens_of(token_of: dict[bytes, int], symbol: bytes) -> list[int]:
    """The token of a symbol, else one byte token for each of its bytes."""
    if symbol in token_of:
        return [token_of[symbol]]
    try:
        return [token_of[b"<0x%02X>" % byte] for byte in symbol]
    except KeyError as exc:
        raise ReferenceModelError(f"the vocabulary has no token {exc.args[0]!r}") from exc
