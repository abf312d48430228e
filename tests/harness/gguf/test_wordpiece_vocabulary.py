"""WordPiece vocabularies: what is read, and what is refused."""

from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import Vocabulary, read_gguf
from tests.harness.gguf.gguf_bytes import ARRAY, BOOL, STRING, U32, GgufBytes, array, small_model

KEY = "tokenizer.ggml."
TOKENS = [b"[PAD]", *(b"\xe2\x96\x81w%d" % i for i in range(99)), b"[UNK]", b"[CLS]", b"[SEP]"]


def bert_model() -> GgufBytes:
    file = small_model()
    file.text(KEY + "model", b"bert")
    tokens = [*TOKENS, *(b"end%d" % i for i in range(264 - len(TOKENS)))]
    file.set(KEY + "tokens", ARRAY, array(STRING, tokens))
    file.set(KEY + "token_type", ARRAY, array(5, [3] + [1] * 99 + [2, 3, 3] + [1] * 161))
    for name in ("scores", "bos_token_id", "eos_token_id", "unknown_token_id"):
        file.remove(KEY + name)
    return file


def read(file: GgufBytes, tmp_path: Path) -> Vocabulary:
    path = tmp_path / "model.gguf"
    path.write_bytes(file.build())
    return read_gguf(path).vocabulary


def test_absent_ids_have_their_defaults(tmp_path: Path) -> None:
    vocabulary = read(bert_model(), tmp_path)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (101, 102, 100)
    assert vocabulary.add_bos
    assert vocabulary.add_eos
    assert (vocabulary.lowercase, vocabulary.strip_accents) == (True, True)


def test_the_normaliser_s_keys_are_read(tmp_path: Path) -> None:
    file = bert_model()
    file.set(KEY + "normalizer.lowercase", BOOL, 0)
    file.set(KEY + "cls_token_id", U32, 5)
    file.set(KEY + "seperator_token_id", U32, 6)
    vocabulary = read(file, tmp_path)
    assert (vocabulary.lowercase, vocabulary.strip_accents) == (False, False)
    assert (vocabulary.bos_id, vocabulary.eos_id) == (5, 6)
    file.set(KEY + "normalizer.strip_accents", BOOL, 1)
    assert read(file, tmp_path).strip_accents


def test_a_vocabulary_of_the_other_spelling_is_refused(tmp_path: Path) -> None:
    file = bert_model()
    tokens = [b"w%d" % i for i in range(263)] + [b"##s"]
    file.set(KEY + "tokens", ARRAY, array(STRING, tokens))
    with pytest.raises(GgufError, match=r"begins with U\+2581"):
        read(file, tmp_path)


def test_a_vocabulary_without_an_unknown_token_is_refused(tmp_path: Path) -> None:
    file = bert_model()
    file.set(KEY + "unknown_token_id", U32, 0xFFFFFFFF)
    with pytest.raises(GgufError, match=r"unknown_token_id names no token"):
        read(file, tmp_path)
