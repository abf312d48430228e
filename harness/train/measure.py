"""Tokens per second: packed batches against the plain loop that takes one document at a time.

From each way to the next one thing changes: packing, then batching, then all that the configuration
and the machine have besides (Muon, BF16 products, a compiled step). The first three are what a
plain PyTorch loop does, with AdamW: Muon's cost per step would flatter the larger batches.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.train.config import TrainConfig
from harness.train.data import Stream, documents_of
from harness.train.hardware import Choice
from harness.train.model import init_weights
from harness.train.packing import Windows
from harness.train.step import Learner
from harness.train.vocabulary import BOS

WARM_STEPS = 2  # compilation and first allocations are not counted


@dataclass(frozen=True)
class Throughput:
    """One way to train."""

    name: str
    tokens: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """Tokens of documents; the few that fill up a window do not count as work done."""
        return self.tokens / self.seconds


def measure(
    config: TrainConfig,
    choice: Choice,
    stream: Callable[[], Stream],
    *,
    seconds: float = 20.0,
    report: Callable[[str], None] = lambda name: None,
) -> list[Throughput]:
    """The same text, model and optimizer in four ways, from the plainest to what `train` does."""
    batch = config.recipe.batch
    plain = replace(choice, dtype="f32", compile=False, micro_batch=1)
    adamw = replace(config, recipe=replace(config.recipe, muon_lr=0.0))
    ways: list[tuple[str, TrainConfig, Choice, Callable[[], Iterator[Windows]]]] = [
        ("one document at a time, F32, plain loop", adamw, plain, lambda: _documents(stream())),
        ("one window at a time, F32, plain loop", adamw, plain, lambda: _batches(stream(), 1)),
        (
            f"batches of {batch} windows, F32, plain loop",
            adamw,
            replace(plain, micro_batch=choice.micro_batch),
            lambda: _batches(stream(), batch),
        ),
        (
            f"batches of {batch} windows, {choice.dtype.upper()}"
            + (", compiled" if choice.compile else "")
            + (", Muon" if config.recipe.muon_lr else ""),
            config,
            choice,
            lambda: _batches(stream(), batch),
        ),
    ]
    results = []
    for name, what, how, batches in ways:
        report(name)
        results.append(_timed(name, what, how, batches(), seconds))
    return results


def _timed(
    name: str, config: TrainConfig, choice: Choice, batches: Iterator[Windows], seconds: float
) -> Throughput:
    weights = init_weights(config.hyper, tied=config.model.tied, seed=config.seed)
    learner = Learner(config, choice, weights)
    for _ in range(WARM_STEPS):
        learner.step(next(batches), 1.0)
    tokens, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        batch = next(batches)
        learner.step(batch, 1.0)
        tokens += int(batch.ids.size)
    return Throughput(name, tokens, time.monotonic() - start)


def _batches(stream: Stream, n: int) -> Iterator[Windows]:
    while True:
        yield stream.next_batch(n)


def _documents(stream: Stream) -> Iterator[Windows]:
    while True:
        yield from documents_of(stream.next_batch(1), BOS)
