"""Runs are repeatable, and a run that was stopped or killed goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.cores import cores
from harness.train.config import Budget, Machine, TrainConfig
from harness.train.errors import TrainError
from harness.train.hardware import Choice, detect
from tests.harness.train.standin import CONFIG, MACHINE, source, with_steps

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")
pytest.importorskip("sentencepiece", reason="training needs the extra [train]: sentencepiece")

from harness.train import run as run_module  # noqa: E402
from harness.train.finish import is_repeatable, to_numpy  # noqa: E402
from harness.train.quantise import F32  # noqa: E402
from harness.train.run import Result, Run, Status, baseline_loss, prepare  # noqa: E402
from harness.train.step import Learner, rate_share  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("BAREWORD_TRAIN_FULL") == "1"


def run(
    config: TrainConfig, out: Path, *, resume: bool = False, stop_at: int = 0, text: str = "text"
) -> Result:
    prepared = prepare(config, out, source, resume=resume)
    training = Run(config, out, source, prepared, MACHINE, text_digest=text, resume=resume)

    def report(status: Status) -> None:
        if status.step == stop_at:
            training.stop()

    return training.train(report)


def same(a: dict[str, F32], b: dict[str, F32]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("straight")
    return out, run(CONFIG, out)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    straight: tuple[Path, Result], tmp_path: Path
) -> None:
    wanted = to_numpy(straight[1].learner.weights)
    assert same(to_numpy(run(CONFIG, tmp_path / "again").learner.weights), wanted)
    other = run(replace(CONFIG, seed=4), tmp_path / "other")
    assert not same(to_numpy(other.learner.weights), wanted)


@pytest.mark.parametrize("muon_lr", [0.0, 0.02])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, muon_lr: float) -> None:
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, muon_lr=muon_lr))
    straight = run(config, tmp_path / "straight")
    stopped = run(config, tmp_path / "stopped", stop_at=3)
    assert (stopped.finished, stopped.progress.step) == (False, 3)
    resumed = run(config, tmp_path / "stopped", resume=True)
    assert (resumed.finished, resumed.progress.step) == (True, 8)
    assert same(to_numpy(resumed.learner.weights), to_numpy(straight.learner.weights))
    assert resumed.valid_loss == straight.valid_loss
    assert resumed.progress.tokens == straight.progress.tokens


def test_a_killed_run_goes_on_to_the_same_weights(
    straight: tuple[Path, Result], tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.harness.train.standin import *; "
        "train_slowly(Path(sys.argv[1]), 8)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 4:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    resumed = run(CONFIG, tmp_path, resume=True)
    assert same(to_numpy(resumed.learner.weights), to_numpy(straight[1].learner.weights))
    steps = [
        row["step"]
        for row in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
        if "loss" in row
    ]
    assert steps == list(range(1, 9))  # what was written after the checkpoint is not there twice


def test_a_checkpoint_is_never_a_minute_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that a step moves on by 12 s."""
    now, saves = [0.0], list[float]()
    monkeypatch.setattr(run_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    training = Run(
        with_steps(12), tmp_path, source, prepare(CONFIG, tmp_path, source, resume=False), MACHINE,
        text_digest="text", resume=False,
    )  # fmt: skip
    monkeypatch.setattr(training, "save", lambda: saves.append(now[0]))

    def step() -> tuple[float, int]:
        now[0] += 12.0
        training.progress = replace(training.progress, step=training.progress.step + 1)
        return 1.0, 100

    monkeypatch.setattr(training, "_step", step)
    training.train()
    assert len(saves) > 2
    assert max(b - a for a, b in pairwise([0.0, *saves])) <= 60.0


def test_another_configuration_is_not_continued(tmp_path: Path) -> None:
    run(CONFIG, tmp_path, stop_at=1)
    with pytest.raises(TrainError, match="another configuration"):
        run(replace(CONFIG, seed=9), tmp_path, resume=True)
    assert run(with_steps(2), tmp_path, resume=True).progress.step == 2


def test_other_text_is_not_continued(tmp_path: Path) -> None:
    run(CONFIG, tmp_path, stop_at=1)
    with pytest.raises(TrainError, match="other text"):
        run(CONFIG, tmp_path, resume=True, text="another")


class Clock:
    """Each look at it takes a while; from `later` looks on, three times as long."""

    def __init__(self, later: int) -> None:
        self.now, self.looks, self.later = 0.0, 0, later

    def monotonic(self) -> float:
        self.looks += 1
        self.now += 0.1 if self.looks < self.later else 0.3
        return self.now


def on_the_clock(monkeypatch: pytest.MonkeyPatch, later: int = 1 << 30) -> None:
    monkeypatch.setattr(run_module, "time", Clock(later))


def minutes(of: float) -> TrainConfig:
    return replace(CONFIG, budget=Budget(minutes=of))


def test_more_minutes_are_more_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_the_clock(monkeypatch)
    short = run(minutes(0.02), tmp_path)
    longer = run(minutes(0.06), tmp_path, resume=True)
    assert longer.progress.n_steps > short.progress.n_steps
    assert longer.progress.step > short.progress.step
    assert (short.progress.replanned, longer.progress.replanned) == (False, True)


def test_a_budget_of_minutes_becomes_steps_that_give_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_clock(monkeypatch)
    timed = run(minutes(0.02), tmp_path / "timed")
    n = timed.progress.n_steps
    assert timed.progress.step == n > CONFIG.recipe.warmup_steps
    assert is_repeatable(timed.progress)
    again = run(with_steps(n), tmp_path / "steps")
    assert same(to_numpy(timed.learner.weights), to_numpy(again.learner.weights))


def test_a_run_that_minutes_cut_short_does_not_claim_to_be_repeatable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_clock(monkeypatch, later=15)
    cut = run(minutes(0.02), tmp_path)
    assert cut.finished
    assert CONFIG.recipe.warmup_steps < cut.progress.step < cut.progress.n_steps
    assert not is_repeatable(cut.progress)


@pytest.mark.parametrize(("stop_at", "replanned"), [(3, False), (5, False), (6, True)])
def test_another_budget_after_warm_up_is_another_run(
    straight: tuple[Path, Result], tmp_path: Path, stop_at: int, replanned: bool
) -> None:
    """In warm-up, four steps here, and in the step after it no rate depends on their number."""
    run(with_steps(12), tmp_path, stop_at=stop_at)
    resumed = run(CONFIG, tmp_path, resume=True)
    assert (resumed.progress.step, resumed.progress.replanned) == (8, replanned)
    assert is_repeatable(resumed.progress) != replanned
    wanted = to_numpy(straight[1].learner.weights)
    assert same(to_numpy(resumed.learner.weights), wanted) != replanned


def test_the_rate_of_every_step_is_the_schedule_s(straight: tuple[Path, Result]) -> None:
    rows = [json.loads(line) for line in (straight[0] / "metrics.jsonl").read_text().splitlines()]
    rates = [row["lr"] for row in rows if "lr" in row]
    recipe = CONFIG.recipe
    assert rates == [recipe.lr * rate_share(recipe, step, 8) for step in range(8)]
    # The last of four steps after warm-up stands at three quarters of the cosine: 0.15 of it left.
    assert rates[-1] < 0.2 * recipe.lr


def test_minutes_end_at_the_end_of_the_cosine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_clock(monkeypatch)
    done = run(minutes(0.1), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rates = [row["lr"] for row in rows if "lr" in row]
    assert len(rates) == done.progress.n_steps > 40
    assert rates[-1] < 1.1 * CONFIG.recipe.lr_final * CONFIG.recipe.lr


def test_validation_comes_as_often_as_configured(straight: tuple[Path, Result]) -> None:
    rows = [json.loads(line) for line in (straight[0] / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if "valid_loss" in row]
    assert steps == [4, 8, 8]  # every fourth, and once more at the end


def test_a_run_uses_the_threads_and_the_algorithms_it_chose(tmp_path: Path) -> None:
    kept = torch.get_num_threads()
    try:
        run(replace(with_steps(1), machine=replace(CONFIG.machine, threads=2)), tmp_path)
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(kept)


def test_accumulated_pieces_make_the_same_step_as_the_whole_batch(tmp_path: Path) -> None:
    whole = run(replace(CONFIG, machine=replace(CONFIG.machine, micro_batch=4)), tmp_path / "a")
    pieces = run(replace(CONFIG, machine=replace(CONFIG.machine, micro_batch=1)), tmp_path / "b")
    # Only the order of float32 sums differs; AdamW's first steps are signs of gradients, which
    # amplify that where a gradient is nearly 0: lr * steps = 0.024 bounds it, the mean is far less.
    a, b = to_numpy(whole.learner.weights), to_numpy(pieces.learner.weights)
    assert max(float(np.abs(a[name] - b[name]).mean()) for name in a) < 1e-4
    assert abs(whole.valid_loss - pieces.valid_loss) < 1e-3


def test_learning_rate_rises_then_falls_to_its_end() -> None:
    recipe = replace(CONFIG.recipe, warmup_steps=10, lr=1.0, lr_final=0.1)
    rates = [rate_share(recipe, step, 100) for step in range(101)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0.1)


def test_training_learns_and_the_baseline_is_on_the_same_scale(tmp_path: Path) -> None:
    config = with_steps(60)
    result = run(config, tmp_path)
    prepared = prepare(config, tmp_path, source, resume=True)
    baseline = baseline_loss(config, source, prepared)
    untrained = np.log(config.model.n_vocab)
    assert 0.1 < baseline < 0.5 * untrained
    assert result.valid_loss < 0.6 * untrained
    assert isinstance(result.learner, Learner)


@pytest.mark.skipif(not FULL, reason="a minute of compilation: BAREWORD_TRAIN_FULL=1 runs it")
@pytest.mark.skipif(cores() < 2, reason="one core: threads cannot change the order of sums")
@pytest.mark.skipif(not detect().compiler, reason="no C++ compiler: torch compiles nothing")
def test_bf16_compiled_and_on_all_cores_gives_the_same_weights_twice(tmp_path: Path) -> None:
    """How the default model was trained; elsewhere one thread and no compiler stand for it."""
    everything = Machine(threads=cores(), dtype="bf16", compile="on", micro_batch=2)
    recipe = replace(CONFIG.recipe, muon_lr=0.02)
    config = replace(with_steps(3), machine=everything, recipe=recipe)
    first, second = (run(config, tmp_path / name) for name in ("first", "second"))
    assert first.learner.choice == Choice("cpu", cores(), "bf16", 2, compile=True)
    assert same(to_numpy(first.learner.weights), to_numpy(second.learner.weights))
