"""SentencePiece tokens from a text without special tokens: plain Python, independent of the kernel.

Mark spaces as U+2581, split into UTF-8 characters, then merge the adjacent pair whose text is the
token of the highest score (leftmost on a tie) until none is.
"""

import heapq
from functools import lru_cache

from harness.errors import ReferenceModelError
from harness.gguf import Vocabulary

_SPACE = "▁".encode()


def spm_tokens(
    vocabulary: Vocabulary, text: bytes, never: frozenset[int], *, after_special: bool
) -> list[int]:
    """Ids of the fragment; it gets a space in front if the model wants one after a special token.

    never: tokens that no text becomes.
    """
    prefix = b" " if vocabulary.add_space_prefix and after_special else b""
    return _merge(vocabulary, (prefix + text).replace(b" ", _SPACE), never)


def spm_piece(text: bytes) -> bytes:
    """What the text of a token prints."""
    return text.replace(_SPACE, b" ")


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
