"""kernel/llm/sampler.c chooses what the reference's sampler chooses."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from harness.reference.sampler import Sampler, SamplingParams
from tests.kernel.build import run_program
from tests.kernel.llm.conftest import N_VOCAB_SAMPLER

pytestmark = pytest.mark.slow

N_ROWS = N_VOCAB_SAMPLER + 4
N_DRAWS = 40


def random_params(source: random.Random) -> SamplingParams:
    return SamplingParams(
        temp=source.choice([0.0, 1e-30, 9e-4, 1e-3, 0.3, 0.8, 1.0, 1.7]),
        top_k=source.choice([-1, 0, 1, 2, 40, 299, 300, 1000]),
        top_p=source.choice([0.0, 0.3, 0.95, 0.999, 1.0]),
        min_p=source.choice([-0.5, 0.0, 0.05, 0.5, 1.0, 2.0]),
        repeat_penalty=source.choice([1.0, 1.1, 0.8]),
        repeat_last_n=source.choice([-1, 0, 1, 8, 64]),
        seed=source.randrange(2**64),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_tokens(sampler_driver: Path, seed: int) -> None:
    source = random.Random(seed)
    generator = np.random.default_rng(seed)
    stdin = bytearray()
    wanted: list[int] = []
    for _ in range(60):
        params = random_params(source)
        scale = source.choice([0.5, 3.0, 20.0])
        logits = (generator.standard_normal((N_DRAWS, N_ROWS)) * scale).astype(np.float32)
        if source.random() < 0.3:
            logits = np.round(logits)  # many ties
        logits[:, N_VOCAB_SAMPLER:] = 1e30  # rows of no token are never chosen
        history = [source.randrange(N_VOCAB_SAMPLER) for _ in range(source.choice([0, 1, 100]))]
        stdin += struct.pack(
            "<fifffiQII",
            params.temp,
            params.top_k,
            params.top_p,
            params.min_p,
            params.repeat_penalty,
            params.repeat_last_n,
            params.seed,
            N_DRAWS,
            len(history),
        )
        stdin += struct.pack(f"<{len(history)}I", *history) + logits.tobytes()
        sampler = Sampler(params, N_VOCAB_SAMPLER)
        for row in logits:
            history.append(sampler.choose(row, history))
        wanted += history[-N_DRAWS:]
    got = np.frombuffer(run_program(sampler_driver, stdin=bytes(stdin)), "<u4")
    assert got.tolist() == wanted


def test_logits_that_are_no_numbers_choose_some_token(sampler_driver: Path) -> None:
    stdin = bytearray()
    for temp in (0.0, 0.8, float("nan")):
        stdin += struct.pack("<fifffiQII", temp, 40, 0.95, 0.05, 1.1, -1, 1, 3, 0)
        for value in (np.nan, np.inf, -np.inf):
            stdin += np.full(N_ROWS, value, np.float32).tobytes()
    got = np.frombuffer(run_program(sampler_driver, stdin=bytes(stdin)), "<u4")
    assert len(got) == 9
    assert (got < N_VOCAB_SAMPLER).all()
