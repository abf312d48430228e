"""A tiny corpus for tests of the trainer: a few sentence patterns, two kinds of document."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.train.config import Budget, Data, Machine, Recipe, Shape, TrainConfig
from harness.train.hardware import Hardware
from harness.train.packing import Pieces, Source, Split

WHO = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jill"]
WHAT = ["ball", "lamp", "book", "cup", "stone", "key", "hat", "drum", "kite", "boat"]
WHERE = ["garden", "kitchen", "attic", "barn", "river", "cellar", "market", "harbour"]

CONFIG = TrainConfig(
    name="test",
    licence="CC0-1.0",
    seed=3,
    model=Shape(n_embd=256, n_layer=1, n_head=4, n_head_kv=2, n_ff=256, n_ctx=48, n_vocab=400),
    recipe=Recipe(lr=3e-3, batch=4, warmup_steps=4),
    budget=Budget(steps=8),
    data=Data(vocabulary_chars=20_000, valid_windows=4, valid_every=4, ngram_tokens=4_000),
    # One thread and no compiler: quick to start, and alike everywhere.
    machine=Machine(threads=1, compile="off"),
)


# Without BF16, whatever this machine has.
MACHINE = Hardware(1, (), 4 << 30, 4 << 30)


def source(seed: int, split: Split) -> Iterator[Pieces]:
    """Endless; the same for the same seed."""
    rng = random.Random(f"{seed} {split}")
    while True:
        who, what, where = rng.choice(WHO), rng.choice(WHAT), rng.choice(WHERE)
        if rng.random() < 0.5:
            n = rng.randrange(1, 40)
            text = f"{who} took the {what} to the {where}. {n} birds saw it.\nThe {what} was old."
            yield [("<s>", True), (text, False), ("</s>", True)]
        else:
            yield [
                ("<s>", True),
                ("<|user|>", True),
                (f"\nwhere is the {what} of {who}?", False),
                ("<|end|>", True),
                ("\n", False),
                ("<|assistant|>", True),
                ("\n", False),
                (f"The {what} is in the {where}.", False),
                ("<|end|>", True),
                ("\n", False),
            ]


def make_source() -> Source:
    """For what makes its source in a process of its own."""
    return source


def with_steps(steps: int) -> TrainConfig:
    return replace(CONFIG, budget=Budget(steps=steps))


def train_slowly(out: Path, steps: int) -> None:
    """For a test that kills it: a checkpoint after every step, and a sign of life."""
    from harness.train import run

    config = with_steps(steps)
    prepared = run.prepare(config, out, source, resume=False)
    training = run.Run(config, out, source, prepared, MACHINE, text_digest="text", resume=False)

    def report(status: run.Status) -> None:
        training.save()
        print(status.step, flush=True)

    training.train(report)
