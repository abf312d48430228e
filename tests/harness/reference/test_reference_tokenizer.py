"""The reference's tokenizers against llama.cpp's recorded ids, and SentencePiece's rules."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import Vocabulary, read_vocabulary
from harness.reference import decode, encode
from harness.reference.bpe import valid_text
from tests.recorded_tokens import ADD_SPECIAL, PARSE_SPECIAL, VOCABULARIES, recorded_cases

SPACE = "▁"


def small_vocabulary(*, add_space_prefix: bool = True) -> Vocabulary:
    words = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    words += [SPACE, "a", "b", "c", "ab", "bc", SPACE + "a", "[HI]", "[HI]!"]
    types = [2, 3, 3, *[6] * 256, *[1] * 7, 4, 4]
    scores = [0.0] * len(words)
    scores[words.index("ab")] = scores[words.index("bc")] = -1.0
    scores[words.index(SPACE + "a")] = -2.0
    return Vocabulary(
        tokens=tuple(word.encode() for word in words),
        scores=np.array(scores, np.float32),
        types=np.array(types, np.uint8),
        bos_id=1,
        eos_id=2,
        unk_id=0,
        add_bos=True,
        add_eos=False,
        add_space_prefix=add_space_prefix,
        eog_ids=(2,),
    )


def texts_of(vocabulary: Vocabulary, text: str, **flags: bool) -> list[str]:
    chosen: dict[str, Any] = {"add_special": False, "parse_special": False} | flags
    ids = encode(vocabulary, text, **chosen)
    return [vocabulary.tokens[i].decode() for i in ids]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_recorded_ids_of_llama_cpp(shared: Path, name: str) -> None:
    vocabulary = read_vocabulary(shared / name)
    cases = recorded_cases(shared, name)
    assert len(cases) > 40
    for text, setting, ids in cases:
        flags: dict[str, Any] = {
            "add_special": bool(setting & ADD_SPECIAL),
            "parse_special": bool(setting & PARSE_SPECIAL),
        }
        assert encode(vocabulary, text, **flags) == ids, (setting, text)
        if vocabulary.model == "gpt2" and setting == 0:
            assert decode(vocabulary, ids) == valid_text(text)


def test_ties_merge_the_leftmost_pair() -> None:
    assert texts_of(small_vocabulary(add_space_prefix=False), "abc") == ["ab", "c"]


def test_higher_scores_merge_first() -> None:
    assert texts_of(small_vocabulary(), "ab") == [SPACE, "ab"]  # -1 before the -2 of "▁a"


def test_text_after_a_special_token_gets_a_space_and_other_text_does_not() -> None:
    assert texts_of(small_vocabulary(), "a[HI]a") == [SPACE + "a", "[HI]", SPACE + "a"]


def test_longer_special_texts_are_cut_first() -> None:
    assert texts_of(small_vocabulary(), "[HI]![HI]") == ["[HI]!", "[HI]"]


def test_some_special_tokens_swallow_the_space_to_their_right() -> None:
    vocabulary = small_vocabulary(add_space_prefix=False)
    hi = vocabulary.tokens.index(b"[HI]")
    phi3 = dataclasses.replace(vocabulary, swallow_space=frozenset({hi}))
    assert texts_of(phi3, "a [HI] \n a [HI] [HI]! a") == [
        *("a", SPACE, "[HI]", "a", SPACE, "[HI]", "[HI]!", SPACE + "a"),
    ]


def test_control_tokens_are_text_unless_parsed() -> None:
    vocabulary = small_vocabulary()
    assert texts_of(vocabulary, "</s>", parse_special=True) == ["</s>"]
    assert "</s>" not in texts_of(vocabulary, "</s>")


def test_unknown_characters_become_their_bytes() -> None:
    assert texts_of(small_vocabulary(), "é") == [SPACE, "<0xC3>", "<0xA9>"]


@pytest.mark.parametrize("text", [b"\xff\xfea", b"\xe2\x96", b"a\xc3"])
def test_invalid_utf8_becomes_bytes_and_comes_back(text: bytes) -> None:
    vocabulary = small_vocabulary(add_space_prefix=False)
    ids = encode(vocabulary, text, add_special=False, parse_special=False)
    assert decode(vocabulary, ids) == text


def test_empty_text_gives_only_bos() -> None:
    assert encode(small_vocabulary(), "", add_special=True, parse_special=True) == [1]


def test_reply_keeps_its_leading_space_and_control_tokens_print_nothing() -> None:
    vocabulary = small_vocabulary()
    ids = encode(vocabulary, "ab [HI]</s>", add_special=True, parse_special=True)
    assert decode(vocabulary, ids) == b" ab [HI]"


def test_long_text_takes_less_than_quadratic_time(shared: Path) -> None:
    vocabulary = read_vocabulary(shared / "vocab" / "ggml-vocab-llama-spm.gguf")
    text = "Once upon a time there was a dog. " * 2000
    ids = encode(vocabulary, text, add_special=False, parse_special=False)
    assert decode(vocabulary, ids) == b" " + text.encode()
