"""harness/vocabulary: the automata match what the `regex` package matches."""

import random
from bisect import bisect_right

import numpy as np
import pytest
import regex

from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from harness.gguf.unicode import N_CODE_POINTS, UNASSIGNED, category_runs
from harness.vocabulary.automaton import END, MATCHED, Automaton, compile_regexes
from harness.vocabulary.pattern import compile_pattern

ALPHABET = (
    "aAzstReEvlLd' '  \n\r\t123\u0663\u00bdÉéЖ汉\u0301!.,$+<^|/`\u00a0\u3000😀\u017f\u212a\u01c5"
)


def match_end(automaton: Automaton, start: int, text: str, at: int) -> int:
    """As kernel/llm/pre_tokenizer.c reads the tables."""
    classes = automaton.classes.tolist()
    state, end = start, at
    while state:
        symbol = END
        if at < len(text):
            symbol = classes[bisect_right(classes, ord(text[at]) << 8 | 0xFF) - 1] & 0xFF
        entry = int(automaton.table[state, symbol])
        if entry & MATCHED:
            end = at
        state = entry & ~MATCHED
        at += 1
    return end


@pytest.mark.parametrize("name", ["llama-bpe", "qwen2", "smollm", "tekken", "default"])
def test_every_match_is_that_of_a_regex_engine(name: str) -> None:
    regexes = PRE_TOKENIZERS[name].regexes
    automaton = compile_regexes(regexes)
    source = random.Random(name)
    for _ in range(200):
        text = "".join(source.choices(ALPHABET, k=source.randrange(12)))
        for pattern, start in zip(regexes, automaton.starts, strict=True):
            for at in range(len(text)):
                found = regex.compile(pattern).match(text, at)
                wanted = found.end() if found else at
                assert match_end(automaton, start, text, at) == wanted, (pattern, text, at)


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        ("a|ab", "ab", 1),  # the first alternative, not the longest
        ("ab|a", "ab", 2),
        ("(?:a|ab)(?:c|bcd)", "abcd", 4),
        ("a{2,3}", "aaaa", 3),
        ("a{2}", "aaaa", 2),
        ("a+(?!b)", "aaab", 2),
        ("a*b?c+", "aabcc", 5),
        (r"[^\s\p{L}]+", "12 a", 2),
        (r"\S[a-c]", "xb", 2),
    ],
)
def test_the_subset_of_regexes(pattern: str, text: str, wanted: int) -> None:
    automaton = compile_regexes((pattern,))
    assert match_end(automaton, automaton.starts[0], text, 0) == wanted


@pytest.mark.parametrize("pattern", ["(a)", "a**", r"\d", "(?=a)", "[é]", "a)", "^a", "."])
def test_other_regexes_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"at \d|ASCII"):
        compile_pattern(pattern)


def test_a_regex_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="matches the empty text"):
        compile_regexes(("a*",))


@pytest.mark.parametrize("prefix", ["L", "N", "P", "M", "Z", "Cc"])
def test_the_categories_are_unicode_s(prefix: str) -> None:
    """Of all characters that Unicode 15.1 has. The package may know a later version, which changes
    the category of a character once in some years: a handful may differ."""
    firsts, categories = zip(*category_runs(), strict=True)
    lengths = np.diff([*firsts, N_CODE_POINTS])
    ours = np.repeat([category.startswith(prefix) for category in categories], lengths)
    known = np.repeat([category != UNASSIGNED for category in categories], lengths)
    theirs = np.zeros(N_CODE_POINTS, bool)
    everything = "".join(map(chr, range(N_CODE_POINTS)))
    for found in regex.finditer(rf"\p{{{prefix}}}+", everything):
        theirs[slice(*found.span())] = True
    assert np.count_nonzero((ours != theirs) & known) <= 8
    assert np.count_nonzero(ours) > 5
