"""Texts to vectors: the kernel has the bits of the contract, which computes what the model says.

Models are generated with norms, biases and factors that all matter; a recorded one is compared with
what llama.cpp answered.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import Model, read_gguf
from harness.reference import ContractEncoder, FloatEncoder, unit
from harness.synth import synthesize
from tests.gold_vectors import cosine, read_gold_vector
from tests.kernel.nn.encoder_twin import EncoderTwin, Made

pytestmark = pytest.mark.slow

N_CTX = 200
RNG = np.random.default_rng(6)
# Beyond a chunk of attention, one token, of tiles and not; 165 in all.
TEXTS = [RNG.integers(3, 400, n).tolist() for n in (130, 1, 7, 8, 19)]


@dataclass(frozen=True)
class Case:
    """A generated model."""

    arch: str
    like: str = "micro"
    quant: str = "F32"
    pooling: str = "mean"
    changes: dict[str, Any] = field(default_factory=dict)


SMALL = {"head_size": 16, "n_rot": 16}
LOCAL_GLOBAL = {"window": 21, "n_layer": 3, "local_layers": (True, False, True)}
CASES = {
    "gemma": Case("gemma-embedding", changes=SMALL | LOCAL_GLOBAL),
    "gemma, odd heads, no dense": Case(
        "gemma-embedding",
        pooling="cls",
        changes={"head_size": 20, "n_rot": 12, "n_dense": 0, "window": 150},
    ),
    "gemma, own key only": Case("gemma-embedding", changes=SMALL | {"window": 1}),
    "gemma Q8_0": Case("gemma-embedding", like="tiny", quant="Q8_0", changes={"window": 40}),
    "gemma Q4_K_M": Case("gemma-embedding", like="tiny", quant="Q4_K_M", changes=LOCAL_GLOBAL),
    "qwen3": Case("qwen3", pooling="last", changes=SMALL | {"n_layer": 3}),
    "qwen3, one head for all": Case("qwen3", pooling="mean", changes=SMALL | {"n_head_kv": 1}),
    "qwen3 Q8_0": Case("qwen3", like="tiny", quant="Q8_0", pooling="last"),
    "bert": Case("bert"),
    "bert, last token": Case("bert", pooling="last", changes={"n_head_kv": 8}),
    "bert Q8_0": Case("bert", like="tiny", quant="Q8_0", changes={"n_head_kv": 8}),
    "bert Q4_K_M": Case("bert", like="tiny", quant="Q4_K_M", pooling="cls"),
}


@pytest.fixture(scope="session")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operations")


def generated(case: Case, folder: Path) -> Model:
    path = synthesize(
        case.like,
        arch=case.arch,
        quant=case.quant,
        path=folder / "m.gguf",
        n_vocab=400,
        changes={"n_layer": 2, "pooling": case.pooling} | case.changes,
    )
    return read_gguf(path)


def same_bits(made: Made, model: Model, texts: list[list[int]]) -> bool:
    reference = ContractEncoder(model)
    want = [reference.embed(text) for text in texts]
    vectors = np.array([vector for vector, _ in want], np.float32)
    lengths = np.array([length for _, length in want], np.float32)
    return np.array_equal(made.vectors.view(np.uint32), vectors.view(np.uint32)) and (
        np.array_equal(made.lengths.view(np.uint32), lengths.view(np.uint32))
    )


@pytest.mark.parametrize("name", CASES)
def test_kernel_has_the_bits_of_the_contract(name: str, tmp_path: Path, operations: Path) -> None:
    case = CASES[name]
    model = generated(case, tmp_path)
    twin = EncoderTwin(model, tmp_path, operations, n_ctx=N_CTX)
    made = twin.embed(TEXTS, pooling=case.pooling, n_cores=3)
    assert same_bits(made, model, TEXTS)
    if case.quant == "F32":  # and what the contract computes is the model
        floats = FloatEncoder(model)
        exact = unit(np.array([floats.embed(text) for text in TEXTS]))
        # float32 sums of some hundred terms, through a few layers: 5e-5 of a component of an
        # unnormalised vector measured; a fault of any formula exceeds 1e-2.
        assert np.abs(made.vectors - exact).max() <= 5e-5


def test_texts_share_one_pass_and_each_has_the_bits_of_being_alone(
    tmp_path: Path, operations: Path
) -> None:
    model = generated(CASES["gemma Q8_0"], tmp_path)
    twin = EncoderTwin(model, tmp_path, operations, n_ctx=N_CTX)
    together = twin.embed(TEXTS)
    alone = [twin.embed([text], n_cores=2) for text in TEXTS]
    for i, made in enumerate(alone):
        assert np.array_equal(made.vectors[0].view("u4"), together.vectors[i].view("u4"))
    # Seven matrices a layer and two dense ones, whatever the number of texts.
    assert {made.n_products for made in (together, *alone)} == {7 * 2 + 2}
    again = twin.embed([TEXTS[4], TEXTS[0]])  # in another order
    assert np.array_equal(again.vectors, together.vectors[[4, 0]])


def test_a_full_pass_stays_within_its_buffers(tmp_path: Path, operations: Path) -> None:
    model = generated(CASES["gemma"], tmp_path)
    twin = EncoderTwin(model, tmp_path, operations, n_ctx=N_CTX, sanitize=True)
    full = [TEXTS[0][:9]] * 21 + [TEXTS[0][:11]]  # 200 tokens; nines waste seven places of a tile
    assert same_bits(twin.embed(full, n_cores=4), model, full)
    many = [[5]] * 64  # as many texts as a pass may hold
    assert same_bits(twin.embed(many, n_cores=2), model, many)
    model = generated(CASES["bert Q8_0"], tmp_path)
    twin = EncoderTwin(model, tmp_path, operations, n_ctx=N_CTX, sanitize=True)
    assert same_bits(twin.embed(full, n_cores=4), model, full)


def test_kernel_is_near_to_llama_cpp(shared: Path, tmp_path: Path, operations: Path) -> None:
    gold = read_gold_vector(shared, "gemma-embedding-Q8_0")
    twin = EncoderTwin(gold.model, tmp_path, operations, n_ctx=64)
    made = twin.embed([gold.ids])
    assert same_bits(made, gold.model, [gold.ids])
    assert cosine(made.vectors[0], gold.exact) > 0.9995  # llama.cpp with floats
    assert cosine(made.vectors[0], gold.vector) > 0.9995  # and with its own quantised activations
    length = float(np.linalg.norm(gold.exact))
    assert abs(made.lengths[0] / length - 1) < 0.01  # cosine is blind to it
