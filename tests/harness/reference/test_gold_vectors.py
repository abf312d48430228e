"""Both references against llama.cpp's recorded vectors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.reference import ContractEncoder, FloatEncoder, encode, unit
from tests.gold_vectors import GoldVector, cosine, read_gold_vector

pytestmark = pytest.mark.slow

NAMES = ["gemma-embedding-Q8_0"]


@pytest.fixture(scope="module", params=NAMES)
def gold(request: pytest.FixtureRequest, shared: Path) -> GoldVector:
    return read_gold_vector(shared, str(request.param))


def test_float_vector_is_that_of_expanded_weights(gold: GoldVector) -> None:
    vector = FloatEncoder(gold.model).embed(gold.ids)
    assert cosine(vector, gold.exact) > 0.999999
    # llama.cpp takes GELU from a table of halves: 4.5e-4 measured, of components of about 1. Its
    # logits move by up to 1.1e-2 for the same reason.
    assert np.abs(vector - gold.exact).max() < 5e-3


def test_contract_vector_is_nearer_than_the_noise_of_activations(gold: GoldVector) -> None:
    vector, length = ContractEncoder(gold.model).embed(gold.ids)
    assert cosine(vector, gold.exact) > 0.9995
    assert cosine(vector, gold.vector) > 0.9995
    assert abs(length / np.linalg.norm(gold.exact) - 1) < 0.01
    assert np.abs(vector - unit(gold.exact)).max() < 0.005  # llama.cpp's own: 0.0024


def test_the_text_s_tokens_are_llama_cpp_s(gold: GoldVector) -> None:
    assert encode(gold.model.vocabulary, gold.text, add_special=True, parse_special=False) == (
        gold.ids
    )


def constant(**changes: object) -> Callable[[FloatEncoder], None]:
    def spoil(reference: FloatEncoder) -> None:
        reference.rules = replace(reference.rules, **changes)  # type: ignore[arg-type]

    return spoil


def local_as_global(reference: FloatEncoder) -> None:
    reference.local_rope = reference.rope


def one_further(reference: FloatEncoder) -> None:
    reaches = tuple(reach + 1 for reach in reference.rules.reaches)
    reference.rules = replace(reference.rules, reaches=reaches)


FAULTS = {
    "window one further": one_further,
    "no window": constant(reaches=(np.inf,) * 6),
    "local rope as the global one": local_as_global,
    "embedding not scaled": constant(embedding_scale=1.0),
    "silu": constant(gelu=False),
    "cls": constant(pooling="cls"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_formula_shows(fault: str, shared: Path) -> None:
    gold = read_gold_vector(shared, "gemma-embedding-Q8_0")
    reference = FloatEncoder(gold.model)
    FAULTS[fault](reference)
    assert cosine(reference.embed(gold.ids), gold.exact) < 0.99999


def test_an_ignored_tensor_shows(shared: Path) -> None:
    gold = read_gold_vector(shared, "gemma-embedding-Q8_0")
    kept = {k: t for k, t in gold.model.tensors.items() if not k.endswith("attn_q_norm.weight")}
    reference = FloatEncoder(replace(gold.model, tensors=kept))
    assert cosine(reference.embed(gold.ids), gold.exact) < 0.9999
    without_dense = FloatEncoder(gold.model).tokens(gold.ids).mean(axis=0)
    assert cosine(without_dense, gold.exact) < 0.9
