"""llama.cpp's recorded answers to small models of every architecture."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from harness.gguf import Model, Vocabulary, read_gguf
from harness.gguf.metadata import Metadata
from tests.harness.plan.shapes import vocabulary_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Gold:
    """A model, a prompt, and what llama.cpp made of it."""

    model: Model
    prompt_ids: list[int]
    greedy: list[int]
    margin: list[float]
    rows: Array  # indices into the greedy tokens
    logits: Array  # llama.cpp's own arithmetic at those rows
    logits_deq: Array  # llama.cpp with the weights expanded to F32

    @property
    def noise_rms(self) -> float:
        """What llama.cpp's own quantised activations cost."""
        return rms(self.logits - self.logits_deq)

    @property
    def float_limit(self) -> float:
        """Float32 sums against float64: 3e-5 measured; formula errors exceed 1e-1. llama.cpp takes
        GELU from a table of halves, which moves logits by up to 1.1e-2 (measured).
        """
        return 0.03 if self.model.architecture.startswith("gemma") else 1e-3


def rms(x: Array) -> float:
    """Root of the mean square, in float64."""
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2)))


def read_gold(shared: Path, name: str) -> Gold:
    """The model and its answers by the name of their files, `qwen2-Q8_0`."""
    root = shared / "gold"
    entries = json.loads((root / "manifest.json").read_text())["models"]
    entry = next(e for e in entries if e["file"] == f"models/{name}.gguf")
    prompt = entry["prompts"]["A"]
    data = np.load(root / "data" / f"{name}.npz")
    return Gold(
        _read_for_ids(root / entry["file"]),
        prompt["prompt_ids"],
        prompt["greedy"],
        prompt["margin"],
        data["A_rows"],
        data["A_logits"].astype(np.float64),
        data["A_logits_deq"].astype(np.float64),
    )


def _read_for_ids(path: Path) -> Model:
    """The prompts are ids: whatever the vocabulary, its number of tokens is all that matters."""

    def stand_in(metadata: Metadata, n_rows: int) -> Vocabulary:
        return vocabulary_of(len(metadata.strings("tokenizer.ggml.tokens")))

    with mock.patch("harness.gguf.read.vocabulary_of", stand_in):
        return read_gguf(path)
