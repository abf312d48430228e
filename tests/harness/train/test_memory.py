"""The memory plan against what a process really takes for training, beyond what it took before."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.train.memory import MIB, peak_bytes

ROOT = Path(__file__).parents[3]
# In a process of its own: a heap that another test has grown would hide what is allocated.
TRAIN = """
import json, sys
from dataclasses import replace
from tests.harness.train.standin import CONFIG
from harness.train.hardware import Choice, load_lazily_imported, prepare_process
prepare_process()
import numpy as np, torch
from harness.train.memory import peak_bytes, plan_memory, resident_bytes
from harness.train.model import init_weights
from harness.train.packing import Windows
from harness.train.run import set_determinism
from harness.train.step import Learner

def train(n_layer, n_ctx, n_vocab, windows):
    shape = replace(CONFIG.model, n_layer=n_layer, n_ctx=n_ctx, n_vocab=n_vocab, n_ff=512)
    config = replace(CONFIG, model=shape)
    base = resident_bytes()
    learner = Learner(config, choice, init_weights(config.hyper, tied=True, seed=1))
    ids = np.random.default_rng(0).integers(0, n_vocab, (windows, n_ctx)).astype(np.int32)
    for _ in range(2):
        learner.step(Windows(ids, ids), 1.0)
    plan = plan_memory(config, dtype=choice.dtype, micro_batch=windows, base_bytes=0)
    return plan.total_bytes, peak_bytes() - base

choice = Choice("cpu", 1, sys.argv[1], 8, compile=False)
set_determinism(choice, 1)
load_lazily_imported(choice)
train(1, 8, 400, 1)  # what a first step loads is there before `base` is measured
print(json.dumps(train(3, 256, 2048, 8)))
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="training needs the extra [train]: torch")
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_training_takes_what_was_planned(dtype: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, dtype], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    planned, taken = json.loads(done.stdout)
    assert planned > 200 * MIB  # so that pages and small objects are noise
    assert 0.75 * planned < taken < 1.25 * planned, (planned / MIB, taken / MIB)


def test_a_peak_is_the_process_s_own() -> None:
    """Not that of the process which started it, and this one holds 100 MiB for a moment."""
    held = bytearray(100 * MIB)
    held[::4096] = b"x" * len(held[::4096])
    code = "from harness.train.memory import peak_bytes; print(peak_bytes())"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert int(child.stdout) < 100 * MIB <= peak_bytes()
    del held
