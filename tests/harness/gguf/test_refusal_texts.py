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
        "a type that is not supported": "Q4_K_M",
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


@pytest.mark.parametrize(
    ("data", "what", "hint"),
    [
        (b"\x40" + bytes(7) + b'{"__metadata__":{"format":"pt"}}', "a safetensors", "convert_hf"),
        (b"PK\x03\x04" + bytes(90), "a ZIP or pickle", "convert_hf"),
        (b"\x80\x02}q\x00X" + bytes(90), "a ZIP or pickle", "convert_hf"),
        (b"\x1f\x8b\x08" + bytes(90), "a compressed file", "unpack"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><title>404", "a web page", "the page"),
        (b"<html>", "a web page", "the page"),
        (b'{"error":"not found"}', "JSON", "link"),
        (b"\x7fELF" + bytes(90), r"magic is b'\x7fELF', wanted b'GGUF'", "no GGUF"),
        (bytes(4096), r"magic is b'\x00\x00\x00\x00', wanted", "no GGUF"),
        (b"", "0 bytes are too few for a GGUF file", "truncated"),
        (b"GGUF\x03\0\0\0", "8 bytes are too few for a GGUF file", "truncated"),
    ],
)
def test_what_people_have_instead_is_called_by_its_name(
    data: bytes, what: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(GgufError) as refusal:
        read_gguf(tmp_path / "bad.gguf")
    assert what in str(refusal.value)
    assert hint in refusal.value.hint
    assert str(refusal.value).endswith("(at byte 0)")
