"""The ways that are timed differ by one thing each, and every token of text counts once."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from dataclasses import replace

from harness.train import measure as measure_module
from harness.train.config import TrainConfig
from harness.train.data import Stream
from harness.train.hardware import Choice
from harness.train.measure import measure
from harness.train.packing import Windows
from harness.train.run import prepare
from tests.harness.train.standin import CONFIG, source

pytestmark = pytest.mark.slow
CHOICE = Choice("cpu", 1, "bf16", 4, compile=False)


class Learner:
    """Takes a second per step, whatever the step."""

    made: list["Learner"]

    def __init__(self, config: TrainConfig, choice: Choice, weights: Any) -> None:
        self.config, self.choice, self.shapes = config, choice, list[tuple[int, int]]()
        self.made.append(self)

    def step(self, batch: Windows, rate: float) -> None:
        self.shapes.append(batch.ids.shape)
        Clock.now += 1.0


class Clock:
    now = 0.0

    @classmethod
    def monotonic(cls) -> float:
        return cls.now


def test_one_thing_changes_from_way_to_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Learner.made = []
    monkeypatch.setattr(measure_module, "Learner", Learner)
    monkeypatch.setattr(measure_module, "time", Clock)
    prepared = prepare(CONFIG, tmp_path, source, resume=False)
    n_ctx = CONFIG.model.n_ctx
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, muon_lr=0.02))
    found = measure(
        config, CHOICE, lambda: Stream(source, prepared.tokenizer, 3, n_ctx), seconds=10
    )
    documents, windows, batches, used = Learner.made
    assert (used.config, used.choice) == (config, CHOICE)
    assert {way.config.recipe.muon_lr for way in (documents, windows, batches)} == {0.0}
    plain = replace(CHOICE, dtype="f32", micro_batch=1)
    assert [way.choice for way in (documents, windows)] == [plain, plain]
    assert batches.choice == replace(plain, micro_batch=CHOICE.micro_batch)
    assert {shape[0] for shape in documents.shapes} == {1}
    assert min(shape[1] for shape in documents.shapes) < n_ctx
    assert set(windows.shapes) == {(1, n_ctx)}
    assert set(batches.shapes) == set(used.shapes) == {(CONFIG.recipe.batch, n_ctx)}
    # Ten steps of a second each are timed, the warm-up is not.
    for way, made in zip(found, Learner.made, strict=True):
        timed = made.shapes[measure_module.WARM_STEPS :]
        assert len(timed) == 10
        assert way.tokens_per_s == sum(n * width for n, width in timed) / 10


def test_packing_and_batching_together_gain(tmp_path: Path) -> None:
    """Really trained; each alone may drown in a busy machine's noise, both together do not."""
    prepared = prepare(CONFIG, tmp_path, source, resume=False)
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, batch=16))
    found = measure(
        config,
        Choice("cpu", 1, "f32", 16, compile=False),
        lambda: Stream(source, prepared.tokenizer, 3, CONFIG.model.n_ctx),
        seconds=2.0,
    )
    speeds = [way.tokens_per_s for way in found[:3]]
    assert speeds[2] > 1.2 * speeds[0], speeds
