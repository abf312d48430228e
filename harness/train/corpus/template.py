"""A small template language: `{slot}`, `[one|other [nested|]]`, and `{+macro}` from words.py."""

import re
from collections.abc import Mapping
from functools import cache
from random import Random

from harness.train.corpus.data.words import MACROS

_TOKEN = re.compile(r"[\[\]|]|\{[^{}]*\}|[^\[\]|{}]+")
_SENTENCE_START = re.compile(r'(?:^|(?<=[.!?] )|(?<=\." )|(?<= "))[a-z]')
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou]|hon|hour)(?!(?:uni|use|eu|one\b))")


class Slot:
    """A hole that the caller's mapping fills."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Template:
    """Parts in a row: text, slots, and choices (tuples of templates)."""

    __slots__ = ("parts", "source")

    def __init__(self, source: str, parts: "tuple[str | Slot | tuple[Template, ...], ...]") -> None:
        self.source = source
        self.parts = parts

    def append_to(self, out: list[str], rng: Random, slots: Mapping[str, str]) -> None:
        """Fill the slots, make the choices, append the pieces."""
        for part in self.parts:
            if type(part) is str:
                out.append(part)
            elif type(part) is Slot:
                out.append(slots[part.name])
            elif type(part) is tuple:
                part[int(rng.random() * len(part))].append_to(out, rng, slots)


@cache
def parse(source: str) -> Template:
    """Compile a template; unbalanced brackets are a ValueError."""
    tokens = _TOKEN.findall(source)
    template, end = _parse(tokens, 0)
    if end != len(tokens) or "".join(tokens) != source:
        raise ValueError(f"unbalanced template: {source}")
    return template


def _parse(tokens: list[str], i: int) -> tuple[Template, int]:
    parts: list[str | Slot | tuple[Template, ...]] = []
    start = i
    while i < len(tokens) and tokens[i] not in "|]":
        token = tokens[i]
        if token == "[":
            options = []
            while token in "[|":
                option, i = _parse(tokens, i + 1)
                options.append(option)
                if i == len(tokens):
                    raise ValueError(f"unclosed choice: {''.join(tokens)}")
                token = tokens[i]
            parts.append(tuple(options))
        elif token.startswith("{+"):
            parts.append((parse(MACROS[token[2:-1]]),))
        elif token.startswith("{"):
            parts.append(Slot(token[1:-1]))
        else:
            parts.append(token)
        i += 1
    return Template("".join(tokens[start:i]), tuple(parts)), i


def fill(template: Template, rng: Random, slots: Mapping[str, str]) -> str:
    """One text of the template, as it stands."""
    out: list[str] = []
    template.append_to(out, rng, slots)
    return "".join(out)


def _upper(match: re.Match[str]) -> str:
    return match[0].upper()


def polish(text: str) -> str:
    """Capital letters at sentence starts, and `an` where it belongs."""
    return _SENTENCE_START.sub(_upper, _ARTICLE.sub(r"\1n ", text))
