"""Tokens per second: packed batches against the plain loop that takes one document at a time.

The first three are an ordinary PyTorch loop (plain.py): one thing changes from each to the next,
packing, then batching. The fourth is the trainer itself on the same batches, still in F32: what it
does about memory and threads. The last has all that the configuration and the machine have besides
(BF16 products, a compiled step, Muon). All but the last have AdamW: Muon's cost per step would
flatter the larger batches. Each way runs in a process of its own, as what a process sets for
torch's threads and for malloc before torch is there would help or hinder the ways after it.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from harness.train.config import TrainConfig
from harness.train.data import Stream, documents_of
from harness.train.hardware import WAITING, Choice, prepare_process
from harness.train.packing import NO_LOSS, Source, Windows
from harness.train.vocabulary import BOS, EOS, Tokenizer

WARM_STEPS: Final = 2  # compilation and first allocations are not counted


@dataclass(frozen=True)
class Throughput:
    """One way to train."""

    name: str
    tokens: int  # of documents; what fills up a window is no work done
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """Tokens of documents per second."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Way:
    """How a way trains; `documents`: one at a time, else `batch` windows.

    `bare`: the trainer with AdamW alone, in F32, not compiled.
    """

    name: str
    plain: bool
    batch: int
    documents: bool = False
    bare: bool = False


@dataclass(frozen=True)
class Job:
    """What a process of its own needs to time one way."""

    way: Way
    config: TrainConfig
    choice: Choice
    vocabulary: Path
    source: Callable[[], Source]
    seconds: float


def ways(config: TrainConfig, choice: Choice) -> list[Way]:
    """From the plainest to what `train` does."""
    batch = config.recipe.batch
    used = (
        f"batches of {batch} windows, {choice.dtype.upper()}"
        + (", compiled" if choice.compile else "")
        + (", Muon" if config.recipe.muon_lr else "")
    )
    return [
        Way("one document at a time, F32, plain loop", True, 1, documents=True),
        Way("one window at a time, F32, plain loop", True, 1),
        Way(f"batches of {batch} windows, F32, plain loop", True, batch),
        Way(f"batches of {batch} windows, F32", False, batch, bare=True),
        Way(used, False, batch),
    ]


def measure(
    config: TrainConfig,
    choice: Choice,
    vocabulary: Path,
    source: Callable[[], Source],
    *,
    seconds: float = 20.0,
    report: Callable[[str], None] = lambda name: None,
) -> list[Throughput]:
    """The same text, model and seed in all ways; `source` is a function that can be imported."""
    results = []
    for way in ways(config, choice):
        report(way.name)
        results.append(apart(Job(way, config, choice, vocabulary, source, seconds)))
    return results


def apart(job: Job) -> Throughput:
    """`timed` in a fresh process, whose environment says nothing that `prepare_process` set."""
    kept = os.environ.pop(WAITING, None)
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), _prepare, (job.way.plain,)) as pool:
            return pool.submit(timed, job).result()
    finally:
        if kept is not None:
            os.environ[WAITING] = kept


def _prepare(plain: bool) -> None:
    if not plain:
        prepare_process()


def timed(job: Job) -> Throughput:
    """Steps for `seconds`, after WARM_STEPS."""
    step = plain_step(job) if job.way.plain else trainer_step(job)
    batches = _batches(job)
    for _ in range(WARM_STEPS):
        step(next(batches))
    tokens, start = 0, time.monotonic()
    while time.monotonic() - start < job.seconds:
        batch = next(batches)
        step(batch)
        tokens += n_text(batch)
    return Throughput(job.way.name, tokens, time.monotonic() - start)


def plain_step(job: Job) -> Callable[[Windows], object]:
    """As many threads as the trainer takes, and torch as it is."""
    import torch

    from harness.train.model import init_weights
    from harness.train.plain import PlainLoop

    torch.set_num_threads(job.choice.threads)
    config = job.config
    weights = init_weights(config.hyper, tied=config.model.tied, seed=config.seed)
    device = job.choice.device
    return PlainLoop(config.hyper, config.recipe, config.model.n_ctx, weights, device).step


def trainer_step(job: Job) -> Callable[[Windows], object]:
    """What a run does, its repeatability included."""
    from harness.train.model import init_weights
    from harness.train.run import set_determinism
    from harness.train.step import Learner

    config, choice = job.config, job.choice
    if job.way.bare:
        config = replace(config, recipe=replace(config.recipe, muon_lr=0.0))
        choice = replace(choice, dtype="f32", compile=False)
    set_determinism(choice, config.seed)
    weights = init_weights(config.hyper, tied=config.model.tied, seed=config.seed)
    learner = Learner(config, choice, weights)
    return lambda batch: learner.step(batch, 1.0)


def _batches(job: Job) -> Iterator[Windows]:
    config, tokenizer = job.config, Tokenizer.load(job.vocabulary)
    stream = Stream(job.source(), tokenizer, config.seed, config.model.n_ctx)
    while True:
        if job.way.documents:
            yield from documents_of(stream.next_batch(1), BOS, EOS)
        else:
            yield stream.next_batch(job.way.batch)


def n_text(windows: Windows) -> int:
    """Tokens of documents. An EOS that is not learnt ends no document: it fills up a window."""
    filling = (windows.ids[:, 1:] == EOS) & (windows.targets[:, :-1] == NO_LOSS)
    return int(windows.ids.size - np.count_nonzero(filling))
