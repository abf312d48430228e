"""The reference says what Hugging Face's package does, also where llama.cpp was not recorded."""

import importlib.util
import random

import pytest

from harness.reference import encode
from tests.hf_tokenizers import (
    KINDS,
    N_RECORDED,
    random_text,
    recorded,
    vocabulary_of,
    witness_of,
)


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_answers_are_those_of_the_reference(kind: str) -> None:
    vocabulary = vocabulary_of(kind)
    answers = recorded()[kind]
    assert len(answers) == N_RECORDED
    assert len({token for _, ids in answers for token in ids}) > 30  # of few they would say little
    for text, ids in answers:
        found = encode(vocabulary, text, add_special=False, parse_special=False)
        assert found == ids, text


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("tokenizers") is None, reason="pip install tokenizers asks it itself"
)
@pytest.mark.parametrize("kind", KINDS)
def test_random_texts_have_the_tokens_of_the_package(kind: str) -> None:
    vocabulary = vocabulary_of(kind)
    witness, source = witness_of(kind, vocabulary), random.Random(kind + "!")
    for _ in range(2000):
        text = random_text(source, kind)
        found = encode(vocabulary, text, add_special=False, parse_special=False)
        assert found == witness.encode(text).ids, text
