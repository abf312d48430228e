"""Byte-level BPE tokens from a text without special tokens: independent of the kernel.

Cut the text into pieces by the model's regexes, here with the `regex` package; in each piece merge
the adjacent pair of the lowest rank (leftmost on a tie) until none has one.
"""

import heapq
from functools import lru_cache
from itertools import pairwise

import numpy as np
import regex

from harness.gguf import Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN
from harness.gguf.unicode import UNASSIGNED, general_category

# What GPT-2's texts write for bytes: each of these as itself, the others from U+0100 on.
_PRINTED = "!-~¡-¬®-ÿ"
_NOT_A_CHARACTER = "\uffff"  # of no class, in any version of Unicode

Merges = dict[tuple[int, int], tuple[int, int]]


def bpe_tokens(vocabulary: Vocabulary, text: bytes, never: frozenset[int]) -> list[int]:
    """Ids of the fragment; a byte that has no token is left out.

    never: tokens that no text becomes, beside the control tokens.
    """
    assert vocabulary.pre is not None
    whole, ids_of_byte, merges = _lookups(vocabulary, never)
    ids: list[int] = []
    for piece in pieces(vocabulary.pre.regexes, text):
        if vocabulary.pre.ignore_merges and piece in whole:
            ids.append(whole[piece])
        else:
            ids += _merge([ids_of_byte.get(byte, -1) for byte in piece], merges)
    return ids


def bpe_piece(text: bytes) -> bytes:
    """The bytes that the text of a normal token spells."""
    characters = text.decode("utf-8", "replace")
    if any(character not in _byte_of_character() for character in characters):
        return text
    return bytes(_byte_of_character()[character] for character in characters)


def valid_text(text: bytes) -> bytes:
    """Every byte that is part of no character becomes U+FFFD, as in llama.cpp."""
    escaped = text.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in escaped).encode()


def pieces(regexes: tuple[str, ...], text: bytes) -> list[bytes]:
    """The text cut by each regex in turn."""
    parts = [text.decode()]
    for pattern in map(_compiled, regexes):
        parts = [piece for part in parts for piece in _cut(pattern, part)]
    return [part.encode() for part in parts]


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    return regex.compile(pattern)


def _cut(pattern: "regex.Pattern[str]", text: str) -> list[str]:
    """The matches, and what lies between them."""
    known = "".join(map(_known, text))  # the package may know a later Unicode
    edges = [0]
    for match in pattern.finditer(known):
        edges += match.span()
    edges.append(len(text))
    return [text[a:b] for a, b in pairwise(edges) if a < b]


@lru_cache(maxsize=4096)
def _known(character: str) -> str:
    known = general_category(ord(character)) != UNASSIGNED
    return character if known else _NOT_A_CHARACTER


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    printed = regex.compile(f"[{_PRINTED}]")
    itself = [byte for byte in range(256) if printed.match(chr(byte))]
    moved = [byte for byte in range(256) if not printed.match(chr(byte))]
    return {chr(byte): byte for byte in itself} | {chr(256 + i): b for i, b in enumerate(moved)}


@lru_cache(maxsize=4)
def _lookups(
    vocabulary: Vocabulary, never: frozenset[int]
) -> tuple[dict[bytes, int], dict[int, int], Merges]:
    """Normal tokens by their bytes, tokens by the one byte they are, and (rank, id) by pair."""
    control = np.isin(vocabulary.types, (TOKEN_CONTROL, TOKEN_UNKNOWN))
    forbidden = never.union(np.flatnonzero(control).tolist())
    whole = {
        bpe_piece(text): i
        for i, text in enumerate(vocabulary.tokens)
        if vocabulary.types[i] == TOKEN_NORMAL and i not in forbidden
    }
    bytes_of_text = {character.encode(): b for character, b in _byte_of_character().items()}
    ids_of_byte = {
        bytes_of_text[text]: i
        for i, text in enumerate(vocabulary.tokens)
        if text in bytes_of_text and not control[i]
    }
    merges = {
        (left, right): (rank, merged)
        for rank, (left, right, merged) in enumerate(vocabulary.merges.tolist())
        if merged not in forbidden
    }
    return whole, ids_of_byte, merges


def _merge(symbols: list[int], merges: Merges) -> list[int]:
    """Ids after all merges; -1, which no pair holds, is a byte without a token."""
    following = [*range(1, len(symbols)), -1]
    previous = list(range(-1, len(symbols) - 1))
    heap = [(merges[pair][0], i) for i, pair in enumerate(pairwise(symbols)) if pair in merges]
    heapq.heapify(heap)
    gone = [False] * len(symbols)
    while heap:
        rank, left = heapq.heappop(heap)
        right = following[left]
        if gone[left] or right < 0:
            continue
        found_rank, merged = merges.get((symbols[left], symbols[right]), (-1, -1))
        if found_rank != rank:
            continue  # a candidate from before one of them grew
        symbols[left] = merged
        gone[right] = True
        following[left] = following[right]
        if following[left] >= 0:
            previous[following[left]] = left
        for a, b in ((previous[left], left), (left, following[left])):
            if a >= 0 and b >= 0 and (symbols[a], symbols[b]) in merges:
                heapq.heappush(heap, (merges[symbols[a], symbols[b]][0], a))
    return [id for i, id in enumerate(symbols) if not gone[i] and id >= 0]
