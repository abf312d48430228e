"""The verb from end to end on a model so small that it takes seconds."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.cli import train as verb
from harness.cli.main import main
from harness.gguf import read_gguf
from harness.train.config import load_config
from harness.train.hardware import Hardware
from harness.train.memory import MIB
from tests.harness.gguf.gguf_bytes import check_weights
from tests.harness.train.standin import CONFIG, source

NEEDED = ("torch", "sentencepiece", "matplotlib")
MISSING = [name for name in NEEDED if find_spec(name) is None]


def write_config(path: Path) -> Path:
    from harness.train.finish import to_toml

    path.write_text(to_toml(replace(CONFIG, model=replace(CONFIG.model, n_vocab=400))))
    assert load_config(path) == CONFIG
    return path


@pytest.mark.skipif(not MISSING, reason="the extra [train] is installed")
def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[3] / "images" / "models" / "quick.toml"
    assert main(["train", str(config), "-o", str(tmp_path)]) == 2
    assert "pip install -e '.[train]'" in capsys.readouterr().err


def test_a_missing_config_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "/nowhere/x.toml"]) == 2
    assert "hint: see images/models/default.toml" in capsys.readouterr().err


@pytest.mark.skipif(bool(MISSING), reason=f"the extra [train] is not installed: {MISSING}")
def test_a_plan_beyond_the_machine_s_memory_ends_the_run_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    little = Hardware(cores=2, simd=(), memory_bytes=64 * MIB, available_bytes=MIB)
    monkeypatch.setattr(verb, "detect", lambda: little)
    monkeypatch.setattr(verb, "resident_bytes", lambda: 0)
    monkeypatch.setattr(verb, "load_lazily_imported", lambda choice: None)
    config = write_config(tmp_path / "test.toml")
    assert main(["train", str(config), "-o", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "1 MiB are available" in said
    assert "hint: set machine.micro_batch lower" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the extra [train] is not installed: {MISSING}")
def test_from_a_configuration_to_files_a_card_and_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.train.data.default_source", lambda: source)
    config = write_config(tmp_path / "test.toml")
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--json"]) == 0
    said = capsys.readouterr()
    assert "memory plan:" in said.err
    answer = json.loads(said.out)
    assert answer["steps"] == 8
    card = (tmp_path / "run" / "test.md").read_text()
    for name in answer["sha256"]:
        check_weights(read_gguf(tmp_path / "run" / name))
        assert answer["sha256"][name] in card
    assert f"| validation loss | {answer['valid_loss']:.4f} nats per token |" in card
    assert f"same text | {answer['baseline_loss']:.4f} |" in card
    assert answer["valid_loss"] != pytest.approx(answer["baseline_loss"], abs=1e-3)
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    # Of so small a model the plan is what the process held before; test_memory.py has the rest.
    assert answer["peak_bytes"] > 0.9 * answer["planned_bytes"] > 0
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--resume"]) == 0
