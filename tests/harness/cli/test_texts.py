"""Texts from the command line, and sizes to which vectors are cut."""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.cli.embed import similarity_lines
from harness.cli.texts import (
    add_dim,
    add_pooling,
    add_texts,
    check_dim,
    check_pooling,
    cut,
    read_texts,
)
from harness.errors import HarnessError


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for add in (add_texts, add_pooling, add_dim):
        add(parser)
    return parser.parse_args(argv)


def texts(*argv: str) -> list[bytes]:
    prompts = read_texts(parsed(*argv))
    assert all(p.segments[0].add_special and not p.segments[0].parse_special for p in prompts)
    return [p.segments[0].data for p in prompts]


def test_texts_are_words_of_the_command_line_or_lines_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert texts("-p", "one", "-p", "two </s>") == [b"one", b"two </s>"]
    file = tmp_path / "lines.txt"
    file.write_bytes(b"first\r\n\nthird \xff\n")
    assert texts("-f", str(file)) == [b"first", b"", b"third \xff"]
    file.write_bytes(b"no line feed")
    assert texts("-f", str(file)) == [b"no line feed"]
    for argv in (["-p", "-"], ["-f", "-"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed\n")))
        assert texts(*argv) == [b"typed"]


def test_no_text_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no text"):
        texts()
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(HarnessError, match="holds no line"):
        texts("-f", str(empty))
    with pytest.raises(HarnessError, match=r"cannot read the texts.*No such file"):
        texts("-f", str(tmp_path / "none"))


def test_a_cut_vector_has_length_one_again() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 1, (3, 8)).astype(np.float32)
    vectors[2] = 0
    part = cut(vectors, 4)
    assert part.shape == (3, 4)
    assert np.allclose(np.linalg.norm(part[:2], axis=1), 1, atol=1e-6)
    assert np.allclose(part[0] / part[0, 0], vectors[0, :4] / vectors[0, 0], rtol=1e-5)
    assert not part[2].any()
    assert cut(vectors, None) is vectors


def test_only_sizes_that_a_model_was_trained_for(capsys: pytest.CaptureFixture[str]) -> None:
    for size in (None, 768, 512, 256, 128):
        check_dim(size, "gemma-embedding", 768)
    assert capsys.readouterr().err == ""
    with pytest.raises(HarnessError, match="768, 512, 256, 128") as refusal:
        check_dim(300, "gemma-embedding", 768)
    assert refusal.value.hint == "--dim 256"
    with pytest.raises(HarnessError, match="have 384 values"):
        check_dim(385, "bert", 384)
    check_dim(384, "bert", 384)
    assert capsys.readouterr().err == ""
    check_dim(100, "bert", 384)
    assert "does not say to which sizes" in capsys.readouterr().err


def test_somebody_must_say_how_to_pool() -> None:
    check_pooling("cls", None)
    check_pooling(None, "mean")
    with pytest.raises(HarnessError, match="names no pooling") as refusal:
        check_pooling(None, None)
    assert "--pooling mean, cls, last" in refusal.value.hint


def test_cosines_are_shown_of_a_few_texts() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    assert similarity_lines(vectors)[3].split() == ["0.6000", "0.8000", "1.0000"]
    assert similarity_lines(vectors[:1]) == []
    assert similarity_lines(np.zeros((11, 2), np.float32)) == []
