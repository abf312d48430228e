"""The card says what was done, and claims no more."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.train.checkpoint import Progress
from harness.train.config import Budget
from harness.train.hardware import Choice
from tests.harness.train.standin import CONFIG, MACHINE

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")
pytest.importorskip("sentencepiece", reason="training needs the extra [train]: sentencepiece")

from harness.train.finish import Facts, write_card  # noqa: E402

pytestmark = pytest.mark.slow

DONE = Progress(step=90, n_steps=90, minutes=3.0, tokens=9000, elapsed_s=90.0)
CLAIM = "gives the same weights, bit for bit"


def card(out: Path, progress: Progress) -> str:
    config = replace(CONFIG, budget=Budget(minutes=3.0))
    choice = Choice("cpu", 1, "f32", 4, compile=False)
    facts = Facts(valid_loss=1.25, baseline_loss=2.5, planned_bytes=3 << 20, peak_bytes=4 << 20)
    return write_card(out, config, progress, MACHINE, choice, facts, {}).read_text()


def steps(text: str) -> int:
    return int(tomllib.loads(text.split("```toml\n")[1].split("```")[0])["budget"]["steps"])


def test_every_number_has_its_own_row(tmp_path: Path) -> None:
    text = card(tmp_path, DONE)
    assert "| validation loss | 1.2500 nats per token |" in text
    assert "| 5-gram baseline, 4,000 tokens of the same text | 2.5000 |" in text
    assert "| peak memory, plan | 4 MiB, 3 MiB |" in text
    assert "| tokens read, learnt | 9,000, 0 |" in text
    assert "| time, tokens/s | 1.5 min, 100 |" in text


def test_minutes_that_became_steps_can_be_repeated(tmp_path: Path) -> None:
    text = card(tmp_path, DONE)
    assert CLAIM in text
    assert "| steps | 90 of 90 |" in text
    assert steps(text) == 90


def test_a_run_that_was_cut_short_prints_the_steps_it_did(tmp_path: Path) -> None:
    text = card(tmp_path, replace(DONE, step=70))
    assert CLAIM not in text
    assert "its learning rates were those of 90 steps, and minutes cut it short" in text
    assert steps(text) == 70


def test_a_run_whose_budget_changed_does_not_claim_to_be_repeatable(tmp_path: Path) -> None:
    text = card(tmp_path, replace(DONE, replanned=True))
    assert CLAIM not in text
    assert "its budget was changed on the way" in text
