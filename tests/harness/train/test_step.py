"""One step of a Learner: what it compiles, clips, and tells the optimizer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.train.hardware import Choice
from harness.train.packing import Windows
from tests.harness.train.standin import CONFIG

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")

from harness.train import step as step_module  # noqa: E402
from harness.train.model import Llama, init_weights  # noqa: E402
from harness.train.step import Learner  # noqa: E402

pytestmark = pytest.mark.slow

PLAIN = Choice("cpu", 1, "f32", 4, compile=False)


class Shares:
    """An optimizer that notes what it is given: the share, and the gradient's norm."""

    def __init__(self, recipe: Any, weights: Any) -> None:
        self.weights = weights
        self.seen: list[tuple[float, float]] = []

    def step(self, share: float) -> None:
        grads = torch.cat([weight.grad.flatten() for weight in self.weights.values()])
        self.seen.append((share, float(grads.norm())))


@pytest.fixture(autouse=True)
def no_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "Optimizer", Shares)


def learner(clip: float, choice: Choice = PLAIN) -> Learner:
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, clip=clip))
    return Learner(config, choice, init_weights(config.hyper, tied=True, seed=1))


def batch() -> Windows:
    ids = np.random.default_rng(0).integers(0, CONFIG.model.n_vocab, (4, 48)).astype(np.int32)
    return Windows(ids, np.roll(ids, -1, axis=1))


def test_gradients_are_clipped_to_the_recipe_s_norm_and_the_share_is_passed_on() -> None:
    free = learner(clip=1e9)
    _, norm = free.step(batch(), 0.25)
    assert free.optimizer.seen == [(0.25, pytest.approx(norm, rel=1e-4))]  # type: ignore[attr-defined]
    clipped = learner(clip=norm / 10)
    assert clipped.step(batch(), 0.5)[1] == pytest.approx(norm, rel=1e-4)
    assert clipped.optimizer.seen == [(0.5, pytest.approx(norm / 10, rel=1e-3))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("compile_it", [True, False])
def test_a_step_is_compiled_where_that_was_chosen(
    compile_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Llama] = []
    monkeypatch.setattr(Llama, "compile", lambda self: compiled.append(self))
    made = learner(clip=1.0, choice=replace(PLAIN, compile=compile_it))
    assert compiled == ([made.model] if compile_it else [])
