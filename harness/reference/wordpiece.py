"""WordPiece tokens from a text without special tokens: independent of the kernel.

As llama.cpp's, as far as its code tells (none of its answers has been compared): fold characters,
cut words, then again and again the longest token that the word begins with; a word that this does
not use up is the unknown token.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import regex

from harness.gguf import Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_UNKNOWN
from harness.gguf.unicode import UNASSIGNED, general_category

_WORD_MARK = "\u2581"  # before the first token of a word
# HF's list of ideographs, with its gap before 2B920.
_CHINESE = (
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f"
    r"\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)
_SPACE = regex.compile(r"\s")
_CONTROL = regex.compile(r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]")
_MARK = regex.compile(r"\p{M}")
_ALONE = regex.compile(rf"\p{{P}}|[$+<=>^`|~]|[{_CHINESE}]")


def wordpiece_tokens(vocabulary: Vocabulary, text: bytes, never: frozenset[int]) -> list[int]:
    """Ids of the fragment; bytes that are no UTF-8 are left out.

    never: tokens that no text becomes, beside the control tokens.
    """
    by_text, longest = _lookups(vocabulary, never)
    ids: list[int] = []
    for word in words(text.decode("utf-8", "ignore"), vocabulary):
        found = _word_tokens((_WORD_MARK + word).encode(), by_text, longest)
        ids += [vocabulary.unk_id or 0] if found is None else found
    return ids


def words(text: str, vocabulary: Vocabulary) -> list[str]:
    """The folded words; punctuation and ideographs are words of one character."""
    result = [""]
    for character in text:
        for piece, in_word in _folded(character, vocabulary.lowercase, vocabulary.strip_accents):
            if in_word:
                result[-1] += piece
            else:
                result += [piece, ""]
    return [word for word in result if word]


@lru_cache(maxsize=8192)
def _folded(character: str, lowercase: bool, strip_accents: bool) -> tuple[tuple[str, bool], ...]:
    """Nothing, or one (text, whether words are made of it); a space is the empty text alone."""
    if general_category(ord(character)) == UNASSIGNED:  # in Unicode 15.1
        return ((character, True),)
    base = unicodedata.normalize("NFD", character)[0] if strip_accents else character
    if _SPACE.match(base):
        return (("", False),)
    if _CONTROL.match(base) or base == "\0" or (strip_accents and _MARK.match(base)):
        return ()
    return ((base.lower()[0] if lowercase else base, not _ALONE.match(base)),)


@lru_cache(maxsize=4)
def _lookups(vocabulary: Vocabulary, never: frozenset[int]) -> tuple[dict[bytes, int], int]:
    control = np.isin(vocabulary.types, (TOKEN_CONTROL, TOKEN_UNKNOWN))
    by_text = {
        text: i for i, text in enumerate(vocabulary.tokens) if not control[i] and i not in never
    }
    return by_text, max(map(len, by_text))


def _word_tokens(word: bytes, by_text: dict[bytes, int], longest: int) -> list[int] | None:
    ids, at = [], 0
    while at < len(word):
        for end in range(min(len(word), at + longest), at, -1):
            if word[at:end] in by_text:
                ids.append(by_text[word[at:end]])
                at = end
                break
        else:
            return None
    return ids
