"""Byte-level BPE vocabularies: what is read, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import Vocabulary, read_gguf
from harness.gguf.bpe import BYTE_TEXTS
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from tests.harness.gguf.gguf_bytes import ARRAY, STRING, GgufBytes, array, small_model

KEY = "tokenizer.ggml."
TOKENS = [*BYTE_TEXTS, b"ab", b"abc", b"<|eot_id|>", *(b"[PAD%d]" % i for i in range(5))]
AB, ABC, EOT = 256, 257, 258


def bpe_model(*merges: bytes, tokens: list[bytes] = TOKENS) -> GgufBytes:
    file = small_model()
    file.text(KEY + "model", b"gpt2")
    file.text(KEY + "pre", b"llama-bpe")
    file.set(KEY + "tokens", ARRAY, array(STRING, tokens))
    file.set(KEY + "token_type", ARRAY, array(5, [1] * 264))
    file.set(KEY + "merges", ARRAY, array(STRING, [b"a b", b"ab c", *merges]))
    for name in ("scores", "bos_token_id", "eos_token_id", "unknown_token_id"):
        file.remove(KEY + name)
    return file


def read(file: GgufBytes, tmp_path: Path) -> Vocabulary:
    path = tmp_path / "model.gguf"
    path.write_bytes(file.build())
    return read_gguf(path).vocabulary


def test_merges_are_ids_in_order_of_rank(tmp_path: Path) -> None:
    vocabulary = read(bpe_model(), tmp_path)
    a, b, c = (BYTE_TEXTS.index(text) for text in (b"a", b"b", b"c"))
    assert vocabulary.merges.tolist() == [[a, b, AB], [AB, c, ABC]]
    assert vocabulary.model == "gpt2"
    assert not vocabulary.add_space_prefix


def test_absent_ids_have_their_defaults(tmp_path: Path) -> None:
    vocabulary = read(bpe_model(), tmp_path)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (11, 11, None)
    assert vocabulary.eog_ids == (11, EOT)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_pre_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    file = bpe_model()
    file.text(KEY + "pre", name.encode())
    vocabulary = read(file, tmp_path)
    assert vocabulary.pre is PRE_TOKENIZERS[name]
    bos = name in ("llama-bpe", "llama3", "llama-v3", "tekken")
    assert (vocabulary.pre.ignore_merges, vocabulary.add_bos) == (bos, bos)


def test_a_file_without_pre_has_the_default(tmp_path: Path) -> None:
    file = bpe_model()
    file.remove(KEY + "pre")
    assert read(file, tmp_path).pre is PRE_TOKENIZERS["default"]


def spoiled(change: Callable[[GgufBytes], None]) -> GgufBytes:
    file = bpe_model()
    change(file)
    return file


REFUSALS = {
    "an unknown pre": (
        spoiled(lambda file: file.text(KEY + "pre", b"qwen35")),
        ["pre is 'qwen35', which is not supported", "llama-bpe, llama3"],
    ),
    "no merges": (spoiled(lambda file: file.remove(KEY + "merges")), ["merges is missing"]),
    "a merge of one text": (bpe_model(b"abc"), ["merges [2] is b'abc'", "a space between"]),
    "a merge with nothing": (bpe_model(b"abc "), ["merges [2] is b'abc '", "a space between"]),
    "a merge of no token": (bpe_model(b"a xyz"), ["merges [2]", "no token is b'xyz'"]),
    "a merge into no token": (bpe_model(b"b a"), ["merges [2]", "no token is b'ba'"]),
    "a merge twice": (bpe_model(b"a b"), ["merges [2] is b'a b', as is [0]"]),
    "a character without a token": (
        bpe_model(tokens=[text if text != b"Q" else b"Quux" for text in TOKENS]),
        ["tokens has no token 'Q'", "0x51"],
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_file_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    file, wanted = REFUSALS[fault]
    with pytest.raises(GgufError) as refusal:
        read(file, tmp_path)
    for part in wanted:
        assert part in str(refusal.value)


def test_a_special_token_is_whole_characters(tmp_path: Path) -> None:
    file = bpe_model(tokens=[*TOKENS[:-1], b"\xc3"])
    file.set(KEY + "token_type", ARRAY, array(5, [1] * 263 + [4]))
    with pytest.raises(GgufError, match=r"tokens \[263\] is b'\\xc3' and a special token"):
        read(file, tmp_path)


def test_a_merge_without_a_space_is_refused_even_where_its_texts_are_tokens(tmp_path: Path) -> None:
    file = bpe_model(b"ab", tokens=[*TOKENS[:-1], b"aab"])  # not `a` and `ab`
    with pytest.raises(GgufError, match=r"merges \[2\] is b'ab', wanted two texts"):
        read(file, tmp_path)
