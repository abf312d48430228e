"""kernel/llm/wordpiece.c against the reference's WordPiece."""

import random

import numpy as np
import pytest

from harness.reference.tokenizer import piece
from harness.vocabulary.folding import EACH, folding_runs
from tests.kernel.llm.conftest import (
    ADD_SPECIAL,
    IN_TURN,
    MAX_TEXT_BYTES,
    PARSE_SPECIAL,
    pieces,
    reference,
    tokenize,
)
from tests.kernel.llm.test_bpe_c import N_RANDOM, MakeTokenizer, random_text
from tests.wordpiece_vocabulary import wordpiece_vocabulary

pytestmark = pytest.mark.slow  # builds a program per vocabulary: seconds each

FRAGMENTS = (
    *("[CLS]", "[X Y]", "tokenizers", "Play", "playing", "naïve", "NAÏVE", "café", "É", "世界"),
    *(
        "hidden",
        "ahidden",
        "한",
        "İ",
        "Ⱥ",
        "ﬁ",
        "\u0308",
        "e\u0301",
        "x\u200by",
        "2026",
        "$20",
        "~",
    ),
)


def mixed_text(source: random.Random) -> bytes:
    parts = [source.choice(FRAGMENTS) if source.random() < 0.7 else random_text(source)[:3]]
    parts += [source.choice(FRAGMENTS) for _ in range(source.randrange(6))]
    return source.choice(("", " ")).join(parts).encode()


@pytest.mark.parametrize(
    ("lowercase", "strip_accents"),
    [(True, True), pytest.param(False, False, marks=pytest.mark.slow)],
)
def test_texts_give_the_tokens_of_the_reference(
    make_tokenizer: MakeTokenizer, lowercase: bool, strip_accents: bool
) -> None:
    vocabulary = wordpiece_vocabulary(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer = make_tokenizer(vocabulary)
    source = random.Random(int(lowercase))
    texts = [b"", *(mixed_text(source) for _ in range(300))]
    texts += [source.randbytes(source.randrange(20)) for _ in range(30)]  # mostly no UTF-8
    cases = [(text, flag) for text in texts for flag in (0, ADD_SPECIAL | PARSE_SPECIAL, IN_TURN)]
    # As long as it gets: one word, words of one character, one that does not end well.
    for unit in ("a", "Ⱥ", " ", "!", "q"):
        cases.append(((unit * MAX_TEXT_BYTES).encode()[:MAX_TEXT_BYTES], 0))
    cases += [(random_text(source).encode(), source.randrange(8)) for _ in range(N_RANDOM // 2)]
    cases += [(mixed_text(source), source.randrange(8)) for _ in range(N_RANDOM // 2)]
    for (text, flags), ids in zip(cases, tokenize(tokenizer, cases), strict=True):
        assert ids == reference(vocabulary, text, flags), (text, flags)
    everything = range(len(vocabulary.tokens))
    assert pieces(tokenizer, everything) == [piece(vocabulary, token) for token in everything]


def test_a_character_never_folds_to_more_than_twice_its_bytes() -> None:
    runs = folding_runs(lowercase=True, strip_accents=True).astype(np.int64)
    first, to = runs[:, 0] & 0xFFFFFF, runs[:, 1] & ~EACH
    last_shift = np.append(first[1:], 0x110000) - 1 - first
    for a, b in ((first, to), (first + last_shift, to + last_shift * (runs[:, 1] >= EACH))):
        for before, after in zip(a.tolist(), b.tolist(), strict=True):
            if not 0xD800 <= before < 0xE000:
                assert len(chr(after).encode()) <= 2 * len(chr(before).encode())
