"""Refusals are short, and say what to do where something can be done."""

from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import read_gguf
from tests.harness.gguf.gguf_bytes import U32, small_model
from tests.harness.gguf.test_refusals import REFUSALS, key, key_name, text, tokens


def test_refusals_quote_only_the_beginning_of_what_is_long(tmp_path: Path) -> None:
    for spoil in (
        text("general.architecture", b"a" * 4000),
        key_name(b"k" * 60000 + b"\0"),
        key("tokenizer.ggml." + "x" * 60000 + "_token_id", U32, 9999),
    ):
        file = small_model()
        spoil(file)
        (tmp_path / "bad.gguf").write_bytes(file.build())
        with pytest.raises(GgufError) as refusal:
            read_gguf(tmp_path / "bad.gguf")
        assert len(str(refusal.value)) < 400


def test_a_token_that_is_too_long_for_any_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.gguf.reader.MAX_STRING_BYTES", 100)
    file = small_model()
    tokens((261, b"d" * 101))(file)
    (tmp_path / "bad.gguf").write_bytes(file.build())
    with pytest.raises(GgufError, match="says it has 101 bytes, at most 100 are accepted"):
        read_gguf(tmp_path / "bad.gguf")


def test_refusals_of_other_files_say_what_to_do(tmp_path: Path) -> None:
    hints = {
        "one part of a split model": "llama-gguf-split",
        "an adapter": "llama-export-lora",
        "big endian": "gguf_convert_endian",
        "a ggjt file": "convert",
        "truncated tensor data": "truncated",
        "an unknown tensor": "plausible garbage",
        "a tensor of another name": "blk.0.attention_q",
    }
    for fault, hint in hints.items():
        file = small_model()
        REFUSALS[fault][0](file)
        (tmp_path / "bad.gguf").write_bytes(file.build())
        with pytest.raises(GgufError) as refusal:
            read_gguf(tmp_path / "bad.gguf")
        assert hint in refusal.value.hint
