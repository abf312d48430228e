"""The ways that are timed differ by one thing each, and every token of text counts once."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")
pytest.importorskip("sentencepiece", reason="training needs the extra [train]: sentencepiece")

from harness.train import measure as measure_module  # noqa: E402
from harness.train.config import TrainConfig  # noqa: E402
from harness.train.data import documents_of  # noqa: E402
from harness.train.hardware import WAITING, Choice  # noqa: E402
from harness.train.measure import Job, Throughput, apart, measure, n_text, timed, ways  # noqa: E402
from harness.train.model import init_weights  # noqa: E402
from harness.train.packing import NO_LOSS, Windows  # noqa: E402
from harness.train.plain import PlainLoop  # noqa: E402
from harness.train.run import VOCABULARY, prepare  # noqa: E402
from harness.train.step import Learner  # noqa: E402
from harness.train.vocabulary import BOS, EOS  # noqa: E402
from tests.harness.train.standin import CONFIG, make_source, source  # noqa: E402

pytestmark = pytest.mark.slow  # it trains

BF16 = Choice("cpu", 1, "bf16", 4, compile=False)
PLAIN = Choice("cpu", 1, "f32", 4, compile=False)


def job(config: TrainConfig, choice: Choice, number: int, folder: Path, seconds: float) -> Job:
    way = ways(config, choice)[number]
    return Job(way, config, choice, folder / VOCABULARY, make_source, seconds)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    prepare(CONFIG, folder, source, resume=False)
    return folder


class Clock:
    """A step takes a second, whatever it does."""

    now = 0.0

    @classmethod
    def monotonic(cls) -> float:
        return cls.now


def test_one_thing_changes_from_way_to_way(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, list[tuple[int, int]], list[int]]] = []

    def stepping(name: str) -> Callable[[Job], Callable[[Windows], None]]:
        def make(job: Job) -> Callable[[Windows], None]:
            made.append((name, [], []))

            def step(batch: Windows) -> None:
                made[-1][1].append(batch.ids.shape)
                made[-1][2].append(n_text(batch))
                Clock.now += 1.0

            return step

        return make

    monkeypatch.setattr(measure_module, "plain_step", stepping("plain"))
    monkeypatch.setattr(measure_module, "trainer_step", stepping("trainer"))
    monkeypatch.setattr(measure_module, "time", Clock)
    monkeypatch.setattr(measure_module, "apart", timed)
    found = measure(CONFIG, BF16, prepared / VOCABULARY, make_source, seconds=10)
    n_ctx = CONFIG.model.n_ctx
    assert [name for name, _, _ in made] == ["plain", "plain", "plain", "trainer", "trainer"]
    documents, windows, batches, bare, used = (shapes for _, shapes, _ in made)
    assert {shape[0] for shape in documents} == {1}
    assert min(shape[1] for shape in documents) < n_ctx
    assert set(windows) == {(1, n_ctx)}
    assert set(batches) == set(bare) == set(used) == {(CONFIG.recipe.batch, n_ctx)}
    # Ten steps of a second each are timed, the warm-up is not.
    for way, (_, _, tokens) in zip(found, made, strict=True):
        assert way.tokens_per_s == sum(tokens[measure_module.WARM_STEPS :]) / 10


def test_what_fills_up_a_window_is_no_work_done() -> None:
    """A story learns its EOS (2); a dialogue that ends with 9, and filling, do not."""
    ids = np.array([[1, 5, 6, 2, 1, 7, 2, 2, 2], [1, 5, 6, 7, 1, 8, 9, 2, 2]], np.int32)
    targets = np.full_like(ids, NO_LOSS)
    targets[0, :3], targets[0, 4:6] = ids[0, 1:4], ids[0, 5:7]
    targets[1, :3], targets[1, 4] = ids[1, 1:4], 8
    assert n_text(Windows(ids, targets)) == 18 - 4
    parts = [part.ids[0].tolist() for part in documents_of(Windows(ids, targets), BOS, EOS)]
    assert parts == [[1, 5, 6, 2], [1, 7, 2], [1, 5, 6, 7], [1, 8, 9]]


def test_the_plain_loop_learns_what_the_trainer_learns() -> None:
    """The same network, loss and update: what is timed against the trainer does the same work."""
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, weight_decay=0.0))
    weights = init_weights(config.hyper, tied=True, seed=1)
    generator = np.random.default_rng(0)
    ids = generator.integers(0, config.model.n_vocab, (4, 48)).astype(np.int32)
    targets = np.where(generator.random(ids.shape) < 0.5, np.roll(ids, -1), NO_LOSS)
    batch = Windows(ids, targets.astype(np.int32))
    loop = PlainLoop(config.hyper, config.recipe, config.model.n_ctx, weights)
    learner = Learner(config, PLAIN, {name: value.clone() for name, value in weights.items()})
    for _ in range(3):
        assert loop.step(batch) == pytest.approx(learner.step(batch, 1.0)[0], rel=1e-4)


def test_the_plain_loop_is_not_held_back_by_what_the_trainer_wants(prepared: Path) -> None:
    """Neither deterministic algorithms, nor padded logits, nor other layers' settings."""
    torch.use_deterministic_algorithms(False)
    step = measure_module.plain_step(job(CONFIG, PLAIN, 0, prepared, 0.0))
    sizes: list[int] = []
    loop = step.__self__  # type: ignore[attr-defined]  # the bound method's PlainLoop
    loop.model.output.register_forward_hook(lambda module, args, out: sizes.append(out.shape[1]))
    ids = np.arange(10, 17, dtype=np.int32)[None]
    step(Windows(ids, ids))
    assert sizes == [7]
    assert not torch.are_deterministic_algorithms_enabled()
    assert {type(loop.optimizer)} == {torch.optim.AdamW}


def settings(job: Job) -> Throughput:
    """In place of `timed`: what the process was told of waiting threads."""
    return Throughput(os.environ.get(WAITING, "default"), 0, 1.0)


def test_each_way_has_a_process_of_its_own(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAITING, "passive")
    monkeypatch.setattr(measure_module, "timed", settings)
    told = [apart(job(CONFIG, PLAIN, number, prepared, 0.0)).name for number in (0, 3)]
    assert told == ["default", "passive"]
    assert os.environ[WAITING] == "passive"


def test_packing_and_batching_together_gain(prepared: Path) -> None:
    """Really trained; each alone may drown in a busy machine's noise, both together do not."""
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, batch=16))
    document, batches = (apart(job(config, PLAIN, number, prepared, 2.0)) for number in (0, 2))
    assert batches.tokens_per_s > 1.2 * document.tokens_per_s
