"""Byte-level BPE of the reference; llama.cpp's ids: test_reference_tokenizer.py."""

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gguf import Vocabulary
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from harness.reference import decode, encode
from harness.reference.bpe import pieces
from tests.bpe_vocabulary import CONTROL, bpe_vocabulary

LLAMA3 = bpe_vocabulary("llama-bpe")


def texts_of(text: str, vocabulary: Vocabulary = LLAMA3, **flags: bool) -> list[str]:
    chosen: dict[str, Any] = {"add_special": False, "parse_special": False} | flags
    return [vocabulary.tokens[i].decode() for i in encode(vocabulary, text, **chosen)]


@pytest.mark.parametrize(
    ("pre", "text", "wanted"),
    [
        ("llama-bpe", "I'LL pay $1234.50", ["I", "'LL", " pay", " $", "123", "4", ".", "50"]),
        ("qwen2", "a 12\n\n b", ["a", " ", "1", "2", "\n\n", " b"]),
        ("smollm", "a 12", ["a", " ", "1", "2"]),
        ("gpt-2", "I'LL don't 123  x", ["I", "'", "LL", " don", "'t", " 123", " ", " x"]),
        ("tekken", "HelloWorld ABCdef", ["Hello", "World", " ABCdef"]),
        ("default", "a,b 12345", ["a", ",", "b", " ", "123", "45"]),
    ],
)
def test_pieces_of_each_pre_tokenizer(pre: str, text: str, wanted: list[str]) -> None:
    cut = pieces(PRE_TOKENIZERS[pre].regexes, text.encode())
    assert [piece.decode() for piece in cut] == wanted


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_valid_text_comes_back(text: str) -> None:
    ids = encode(LLAMA3, text, add_special=False, parse_special=False)
    assert decode(LLAMA3, ids) == text.encode()


@given(st.text(alphabet=st.sampled_from("the HEL lo'12\n<|x>y")), st.booleans())
def test_text_never_becomes_a_control_token_unless_parsed(text: str, in_turn: bool) -> None:
    control = frozenset(np.flatnonzero(LLAMA3.types == 3).tolist())
    never = control if in_turn else frozenset()
    for said in (text, text + CONTROL[0], CONTROL[2] + text):
        ids = encode(LLAMA3, said, add_special=False, parse_special=False, never=never)
        assert not control & set(ids)
        assert decode(LLAMA3, ids) == said.encode()


def test_no_pair_that_remains_has_a_merge() -> None:
    pairs = {(left, right) for left, right, _ in LLAMA3.merges.tolist()}
    ids = encode(LLAMA3, "thththeing", add_special=False, parse_special=False)
    assert len(ids) > 1
    assert not pairs & set(pairwise(ids))


def test_a_whole_piece_that_is_a_token_needs_no_merges() -> None:
    no_merges = dataclasses.replace(LLAMA3, merges=LLAMA3.merges[:0])
    assert texts_of(" the", no_merges) == ["Ġthe"]
    qwen = dataclasses.replace(no_merges, pre=PRE_TOKENIZERS["qwen2"])
    assert texts_of(" the", qwen) == ["Ġ", "t", "h", "e"]


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    ids = encode(LLAMA3, b"a\xff\xc3(\xe2\x82", add_special=False, parse_special=False)
    assert decode(LLAMA3, ids).decode() == "a\ufffd\ufffd(\ufffd\ufffd"


def test_special_tokens_print_nothing_or_themselves() -> None:
    ids = encode(LLAMA3, "<|x|>a<think>", add_special=True, parse_special=True)
    assert ids[0] == LLAMA3.bos_id
    assert decode(LLAMA3, ids) == b"a<think>"
