"""The SentencePiece tokenizer against llama.cpp's recorded ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import Vocabulary, read_vocabulary
from harness.reference import decode, encode

SPM_VOCABULARIES = ["models/llama-gqa-Q8_0.gguf", "ggml-vocab-llama-spm.gguf"]
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


def test_llama_cpp_vocabulary_vectors(shared: Path) -> None:
    path = shared / "vocab" / "ggml-vocab-llama-spm.gguf"
    texts = Path(f"{path}.inp").read_text().split("\n__ggml_vocab_test__\n")
    answers = Path(f"{path}.out").read_text().split("\n")
    vocabulary = read_vocabulary(path)
    assert len(texts) == len(answers) > 40
    for text, answer in zip(texts, answers, strict=True):
        ids = encode(vocabulary, text, add_special=False, parse_special=False)
        assert ids == [int(word) for word in answer.split()], text


@pytest.mark.parametrize("name", SPM_VOCABULARIES)
def test_recorded_ids_of_llama_cpp(shared: Path, name: str) -> None:
    gold = json.loads((shared / "gold" / "tokenizer.json").read_text())
    vocabulary = read_vocabulary(shared / ("gold" if "/" in name else "vocab") / name)
    settings = {k: v for k, v in gold["vocabs"][name].items() if k.startswith("add_special")}
    assert len(settings) == 4
    for setting, answers in settings.items():
        for key, ids in answers.items():
            text = bytes.fromhex(gold["texts_hex"][key])
            flags: dict[str, Any] = {
                "add_special": "add_special=1" in setting,
                "parse_special": "parse_special=1" in setting,
            }
            assert encode(vocabulary, text, **flags) == ids, (setting, text)


def test_ties_merge_the_leftmost_pair() -> None:
    assert texts_of(small_vocabulary(add_space_prefix=False), "abc") == ["ab", "c"]


def test_higher_scores_merge_first() -> None:
    assert texts_of(small_vocabulary(), "ab") == [SPACE, "ab"]  # -1 before the -2 of "▁a"


def test_text_after_a_special_token_gets_a_space_and_other_text_does_not() -> None:
    assert texts_of(small_vocabulary(), "a[HI]a") == [SPACE + "a", "[HI]", SPACE + "a"]


def test_longer_special_texts_are_cut_first() -> None:
    assert texts_of(small_vocabulary(), "[HI]![HI]") == ["[HI]!", "[HI]"]


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
