"""The contract of models that make vectors is near float64, and its attention is what it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ReferenceModelError
from harness.gguf import Model, read_gguf
from harness.reference import ContractEncoder, FloatEncoder, FloatReference, unit
from harness.reference.contract_encoder import attention_around
from harness.synth import synthesize

IDS = np.random.default_rng(3).integers(3, 400, 40).tolist()
SMALL = {"head_size": 16, "n_rot": 16, "window": 12}


def made(arch: str, folder: Path, **changes: Any) -> Model:
    changes = {"pooling": "last" if arch == "qwen3" else "mean"} | changes
    path = synthesize(
        "micro",
        arch=arch,
        quant="F32",
        path=folder / "m.gguf",
        n_vocab=400,
        changes={"n_layer": 2} | (SMALL if arch == "gemma-embedding" else {}) | changes,
    )
    return read_gguf(path)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("arch", ["gemma-embedding", "bert", "qwen3"])
def test_contract_of_floats_is_float64_but_for_rounding(
    arch: str, pooling: str, tmp_path: Path
) -> None:
    model = made(arch, tmp_path)
    vector, length = ContractEncoder(model).embed(IDS, pooling)
    exact = FloatEncoder(model).embed(IDS, pooling)
    assert (
        np.abs(vector - unit(exact)).max() <= 2e-6
    )  # components of 1/8, rounded some hundred times
    assert length == pytest.approx(float(np.linalg.norm(exact)), rel=1e-5)
    assert float(np.linalg.norm(vector.astype(np.float64))) == pytest.approx(1, abs=1e-6)


def test_a_causal_text_is_what_the_model_would_go_on_from(tmp_path: Path) -> None:
    """As a generator its logits are the embedding matrix's products with these vectors."""
    model = made("qwen3", tmp_path)
    encoder = FloatEncoder(model)
    rows = model.read_rows("token_embd.weight", 0, 400)
    embedding = rows.view(np.float32).astype(np.float64)
    logits = FloatReference(model).forward(IDS, 0)
    assert np.allclose(logits, encoder.tokens(IDS) @ embedding.T, rtol=0, atol=1e-10)


def test_attention_around_is_a_softmax_of_what_is_near() -> None:
    rng = np.random.default_rng(4)
    q = rng.normal(0, 1, (150, 4, 8)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, 150, 2, 8)).astype(np.float32)
    for reach in (0, 3, 70, np.inf):
        out = attention_around(q, k, v, reach)
        scores = np.einsum("qhd,khd->hqk", q.astype(np.float64), k[:, [0, 0, 1, 1]])
        positions = np.arange(150)
        scores[:, np.abs(positions[:, None] - positions) > reach] = -np.inf
        p = np.exp(scores - scores.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        assert np.allclose(out, np.einsum("hqk,khd->qhd", p, v[:, [0, 0, 1, 1]]), atol=1e-5)


def test_without_a_pooling_there_is_no_vector(tmp_path: Path) -> None:
    model = made("bert", tmp_path, pooling=None)
    for reference in (ContractEncoder(model), FloatEncoder(model)):
        with pytest.raises(ReferenceModelError, match="names no pooling"):
            reference.embed(IDS)


def test_zeros_stay_zeros() -> None:
    assert unit(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0, 0], [0.6, 0.8]]
