"""Special ids, flags and ends of generation of a vocabulary."""

from pathlib import Path

import numpy as np

from harness.gguf import Vocabulary, read_gguf, read_vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL
from tests.harness.gguf.gguf_bytes import ARRAY, BOOL, STRING, U32, GgufBytes, array, small_model


def read(file: GgufBytes, tmp_path: Path) -> Vocabulary:
    path = tmp_path / "model.gguf"
    path.write_bytes(file.build())
    return read_gguf(path).vocabulary


def texts(*last: bytes) -> bytes:
    head = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256))]
    return array(STRING, [*head, *last])


def test_arrays_have_their_types(tmp_path: Path) -> None:
    vocabulary = read(small_model(), tmp_path)
    assert vocabulary.tokens[259] == b"\xe2\x96\x81"
    assert vocabulary.scores.dtype == np.float32
    assert vocabulary.types.dtype == np.uint8
    assert vocabulary.types.tolist() == [2, 3, 3] + [6] * 256 + [1] * 5


def test_absent_ids_have_their_defaults(tmp_path: Path) -> None:
    file = small_model()
    for name in ("bos", "eos", "unknown", "padding"):
        file.remove(f"tokenizer.ggml.{name}_token_id")
    vocabulary = read(file, tmp_path)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (1, 2, 0)
    assert (vocabulary.add_bos, vocabulary.add_eos, vocabulary.add_space_prefix) == (
        True,
        False,
        True,
    )


def test_all_ones_means_no_such_token(tmp_path: Path) -> None:
    file = small_model()
    file.set("tokenizer.ggml.bos_token_id", U32, 0xFFFFFFFF)
    file.set("tokenizer.ggml.add_bos_token", BOOL, 1)
    vocabulary = read(file, tmp_path)
    assert vocabulary.bos_id is None
    assert not vocabulary.add_bos


def test_only_phi_3_s_special_tokens_swallow_space(tmp_path: Path) -> None:
    file = small_model()
    assert read(file, tmp_path).swallow_space == frozenset()
    file.text("general.name", b"Phi-3 mini")
    assert read(file, tmp_path).swallow_space == {2}  # </s>, but neither <unk> nor <s>


def test_flags_are_read(tmp_path: Path) -> None:
    file = small_model()
    file.set("tokenizer.ggml.add_bos_token", BOOL, 0)
    file.set("tokenizer.ggml.add_eos_token", BOOL, 1)
    file.set("tokenizer.ggml.add_space_prefix", BOOL, 0)
    vocabulary = read(file, tmp_path)
    assert (vocabulary.add_bos, vocabulary.add_eos, vocabulary.add_space_prefix) == (
        False,
        True,
        False,
    )


def test_model_without_chat_template_also_stops_at_bos(stories260k: Path) -> None:
    assert read_gguf(stories260k).vocabulary.eog_ids == (1, 2)


def test_chat_model_stops_at_its_ends_only(tmp_path: Path) -> None:
    file = small_model()
    file.text("tokenizer.chat_template", b"{{ messages }}")
    file.set("tokenizer.ggml.tokens", ARRAY, texts(b"<|im_end|>", b"a", b"b", b"<EOT>", b"c"))
    file.set("tokenizer.ggml.eot_token_id", U32, 260)
    vocabulary = read(file, tmp_path)
    assert vocabulary.eog_ids == (2, 259, 260, 262)
    assert vocabulary.types[[259, 260, 262]].tolist() == [
        TOKEN_CONTROL,  # by its text
        TOKEN_NORMAL,  # by its id alone
        TOKEN_CONTROL,
    ]


def test_token_texts_may_be_any_bytes(tmp_path: Path) -> None:
    file = small_model()
    file.set("tokenizer.ggml.tokens", ARRAY, texts(b"\xff\xfe", b'"*/', b"a\0b", b"\n", b""))
    assert read(file, tmp_path).tokens[259:] == (
        b"\xff\xfe",
        b'"*/',
        b"a\0b",
        b"\n",
        b"[EMPTY_263]",
    )


def test_vocabulary_is_read_whatever_the_architecture(shared: Path) -> None:
    for path in sorted((shared / "gold" / "models").glob("*.gguf")):
        vocabulary = read_vocabulary(path)
        assert len(vocabulary.tokens) >= 512
        assert vocabulary.model == (
            "gpt2" if path.name.startswith(("granite", "qwen")) else "llama"
        )
