"""harness/cli/verify.py: what is judged."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from harness.cli import verify
from harness.cli.main import main


def test_an_interrupted_answer_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aborted = SimpleNamespace(stop="abort")
    session = SimpleNamespace(generate=lambda *_, **__: aborted, welcome=SimpleNamespace(n_ctx=64))
    built = SimpleNamespace(chat=False, vectors=None)
    monkeypatch.setattr(verify, "built_from", lambda _: built)
    monkeypatch.setattr(verify, "model_of", lambda _: None)
    monkeypatch.setattr(verify, "running", lambda *_: nullcontext(session))
    assert main(["verify", "-m", "x.gguf"]) == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", "interrupted: no verdict\n")


def test_pooling_is_refused_for_a_model_of_texts_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = SimpleNamespace(chat=False, vectors=None)
    monkeypatch.setattr(verify, "built_from", lambda _: built)
    monkeypatch.setattr(verify, "running", lambda *_: pytest.fail("it was started"))
    assert main(["verify", "-m", "x.gguf", "--pooling", "cls"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--pooling cls: the model goes on with texts" in err
