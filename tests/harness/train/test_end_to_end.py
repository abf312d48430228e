"""From nothing to a model that the kernel speaks with: text, vocabulary, training, GGUF, verdict.

Half a minute of training by default; BAREWORD_TRAIN_FULL=1 takes images/models/quick.toml and its
ten minutes instead. The code is the same.
"""

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import read_gguf
from harness.reference import FloatReference
from harness.train.config import TrainConfig, load_config
from harness.train.memory import HEADROOM

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("BAREWORD_TRAIN_FULL") == "1"
NEEDED = ("torch", "sentencepiece", "matplotlib")
MISSING = [name for name in NEEDED if find_spec(name) is None]
SMALL = """
name = "bareword-quick"
licence = "CC0-1.0"
seed = 1
[model]
n_embd = 256
n_layer = 1
n_head = 4
n_head_kv = 2
n_ff = 256
n_ctx = 128
n_vocab = 512
[recipe]
lr = 3e-3
batch = 8
warmup_steps = 10
[budget]
minutes = 0.5
[data]
vocabulary_chars = 200_000
valid_windows = 16
valid_every = 50
ngram_tokens = 50_000
[machine]
compile = "off"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"the extra [train] is not installed: {MISSING}"),
]


def harness(*args: str | Path) -> Any:
    """A verb with --json in a process of its own; its answer, exit codes 0 and 1 being answers."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, args), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainConfig, dict[str, Any]]:
    out = tmp_path_factory.mktemp("train")
    config = ROOT / "images" / "models" / "quick.toml"
    if not FULL:
        config = out / "small.toml"
        config.write_text(SMALL)
    return out, load_config(config), harness("train", config, "-o", out / "run")


def test_it_learns_within_its_budget(trained: tuple[Path, TrainConfig, dict[str, Any]]) -> None:
    _, config, answer = trained
    assert answer["elapsed_s"] < 60 * config.budget.minutes * 1.2 + 5
    knows_nothing = math.log(config.model.n_vocab)
    assert answer["valid_loss"] < 0.8 * knows_nothing
    assert answer["baseline_loss"] < knows_nothing
    if FULL:
        assert answer["valid_loss"] < answer["baseline_loss"]


@pytest.mark.skipif(not FULL, reason="of the small model torch is nearly all: see test_memory.py")
def test_memory_stays_within_the_headroom_of_its_plan(
    trained: tuple[Path, TrainConfig, dict[str, Any]],
) -> None:
    _, _, answer = trained
    assert answer["peak_bytes"] < HEADROOM * answer["planned_bytes"]


def test_numpy_computes_the_logits_of_torch(
    trained: tuple[Path, TrainConfig, dict[str, Any]],
) -> None:
    import torch

    from harness.train.model import Llama

    out, config, _ = trained
    state = torch.load(out / "run" / "checkpoint.pt", map_location="cpu", weights_only=True)
    ids = np.random.default_rng(0).integers(0, config.model.n_vocab, 64).tolist()
    with torch.no_grad():
        model = Llama(config.hyper, state["weights"], config.model.n_ctx)
        ours = model.logits(torch.tensor([ids]))[0].numpy()
    exported = read_gguf(out / "run" / f"{config.name}-F32.gguf")
    assert np.abs(ours - FloatReference(exported).forward(ids, 0)).max() < 1e-3


def test_the_kernel_says_what_numpy_says(
    trained: tuple[Path, TrainConfig, dict[str, Any]],
) -> None:
    out, config, _ = trained
    model = out / "run" / f"{config.name}-Q4_K_M.gguf"
    verdict = harness("verify", "-m", model, "-o", out, "--target", "twin", "-p", "Hello!")
    assert verdict["ok"], verdict


def test_the_kernel_answers_in_the_form_of_the_training_text(
    trained: tuple[Path, TrainConfig, dict[str, Any]],
) -> None:
    out, config, _ = trained
    model = out / "run" / f"{config.name}-Q4_K_M.gguf"
    text = "turn on the lamp in the kitchen"
    answer = harness(
        "run", "-m", model, "-o", out, "--target", "twin", "-p", text, "--temp", "0", "-n", "40"
    )
    vocabulary = read_gguf(model).vocabulary
    markers = [vocabulary.tokens[i] for i in answer["prompt_ids"] if vocabulary.types[i] == 3]
    assert markers == [
        *(b"<s>", b"<|system|>", b"<|end|>", b"<|user|>", b"<|end|>", b"<|assistant|>")
    ]
    assert answer["text"]
    if FULL:
        assert answer["text"] == "lamp.kitchen=on"
        assert answer["stop"] == "eos"
