"""llama.cpp's recorded vectors of texts."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.gguf import Model, read_gguf
from tests.gold import Array


@dataclass(frozen=True)
class GoldVector:
    """A model, a text, and what llama.cpp made of it; vectors are not normalised."""

    model: Model
    text: str
    ids: list[int]
    vector: Array  # llama.cpp's own arithmetic
    exact: Array  # with the weights expanded to F32
    tokens: Array  # with its own arithmetic, of each token behind the output norm


def cosine(a: Array, b: Array) -> float:
    """In float64."""
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def vector_names(shared: Path) -> list[str]:
    """`gemma-embedding-Q8_0`: the recorded models that make vectors."""
    entries = json.loads((shared / "gold/manifest.json").read_text())["models"]
    files = (entry["file"] for entry in entries if "pooling" in entry["prompts"]["A"])
    return sorted(Path(file).stem for file in files)


def read_gold_vector(shared: Path, name: str) -> GoldVector:
    """By the name of its files."""
    root = shared / "gold"
    entries = json.loads((root / "manifest.json").read_text())["models"]
    entry = next(e for e in entries if e["file"] == f"models/{name}.gguf")
    prompt = entry["prompts"]["A"]
    data = np.load(root / "data" / f"{name}.npz")
    return GoldVector(
        read_gguf(root / entry["file"]),
        prompt["text"],
        prompt["ids"],
        data["A_embedding"].astype(np.float64),
        data["A_embedding_deq"].astype(np.float64),
        data["A_result_norm"].astype(np.float64),
    )
