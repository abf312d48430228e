"""Every architecture: the kernel's forward pass has the bits of the contract reference.

Models are generated, so that each factor, bias and norm is another number than the one that changes
nothing; and real files of the same kinds are compared with what llama.cpp answered.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import Model, read_gguf
from harness.gguf.model import RopeScaling
from harness.plan import KvType
from harness.reference import ContractReference, FloatReference
from harness.synth import synthesize
from tests.gold import Gold, read_gold, rms
from tests.kernel.nn.exact import Floats
from tests.kernel.nn.forward_twin import ForwardTwin

pytestmark = pytest.mark.slow

N_CTX = 90
IDS = np.random.default_rng(5).integers(3, 400, 80).tolist()  # beyond a chunk of attention


@dataclass(frozen=True)
class Case:
    """A generated model."""

    arch: str
    like: str = "micro"
    quant: str = "F32"
    kv_type: KvType = "f16"
    changes: dict[str, Any] = field(default_factory=dict)
    optional: tuple[str, ...] = ()  # endings of names


SMALL = {"head_size": 16, "n_rot": 16}
LOCAL_GLOBAL = {
    "window": 9,
    "n_layer": 3,
    "local_layers": (True, False, True),
    "rope_scaling": RopeScaling(factor=8.0),
}
YARN = RopeScaling("yarn", factor=4.0, n_ctx_original=32, attn_factor=0.8)
CASES = {
    "llama, all biases, rope factors": Case("llama", optional=(".bias", "rope_freqs.weight")),
    "llama, linear": Case("llama", changes={"rope_scaling": RopeScaling(factor=4.0)}),
    "llama, yarn": Case("llama", changes={"rope_scaling": YARN}, kv_type="f32"),
    "llama, long heads": Case("llama", changes={"head_size": 256, "n_rot": 256}),
    "granite": Case("granite", like="tiny", quant="Q4_K_M"),
    "qwen2": Case("qwen2", like="tiny", quant="Q8_0"),
    "qwen3": Case("qwen3", kv_type="q8_0"),
    "phi3": Case("phi3", like="tiny", quant="Q4_0"),
    "phi3, long rope factors": Case(
        "phi3",
        changes={"n_rot": 72, "rope_scaling": RopeScaling(n_ctx_original=64, attn_factor=1.2)},
        optional=("rope_factors_long.weight", "rope_factors_short.weight"),
    ),
    "gemma2": Case("gemma2", like="tiny", quant="Q8_0", changes={"window": 13}),
    "gemma2, long window": Case("gemma2", changes={"window": 70, "logit_softcap": 5.0} | SMALL),
    "gemma3": Case("gemma3", kv_type="f32", changes=SMALL | LOCAL_GLOBAL),
    "gemma3, int8 cache": Case(
        "gemma3", kv_type="q8_0", changes=SMALL | LOCAL_GLOBAL | {"logit_softcap": 9.0}
    ),
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
        changes={"n_layer": 2} | case.changes,
        optional=lambda name: name.endswith(case.optional) if case.optional else False,
    )
    return read_gguf(path)


@pytest.mark.parametrize("name", CASES)
def test_kernel_has_the_bits_of_the_contract(name: str, tmp_path: Path, operations: Path) -> None:
    case = CASES[name]
    model = generated(case, tmp_path)
    twin = ForwardTwin(model, tmp_path, operations, n_ctx=N_CTX, kv_type=case.kv_type)
    want = ContractReference(model, case.kv_type, n_ctx=N_CTX).forward(IDS, 0)
    assert same_bits(twin.logits(IDS, n_batch=8, n_cores=3), want)
    assert same_bits(twin.logits(IDS[:20]), want[:20])
    if case.quant == "F32":  # and what the contract computes is the model
        exact = FloatReference(model, n_ctx=N_CTX).forward(IDS, 0)
        # A cache of halves or int8 rounds keys and values: half a unit of 2^-11, of 1/127.
        limit = {"f32": 2e-5, "f16": 2.0**-10, "q8_0": 0.02}[case.kv_type]
        assert rms(want - exact) <= limit * float(exact.std())


def same_bits(got: Floats, want: Floats) -> bool:
    return np.array_equal(got.view(np.uint32), want.view(np.uint32))


@pytest.fixture(
    params=[
        "granite-Q4_K_M",
        "qwen2-Q8_0",
        "qwen3-Q4_K_M",
        "phi3-Q8_0",
        "gemma2-Q8_0",
        "gemma3-Q4_K_M",
    ]
)
def gold(request: pytest.FixtureRequest, shared: Path) -> Gold:
    return read_gold(shared, str(request.param))


def test_kernel_is_as_near_to_llama_cpp_as_llama_cpp_to_itself(
    gold: Gold, tmp_path: Path, operations: Path
) -> None:
    twin = ForwardTwin(gold.model, tmp_path, operations, n_ctx=N_CTX)
    ids = [*gold.prompt_ids, *gold.greedy[:-1]]
    logits = twin.logits(ids, n_batch=16)[-len(gold.greedy) :]
    assert same_bits(logits[:4], ContractReference(gold.model).forward(ids, 0, last=32)[:4])
    # The recorded run kept keys and values in F32: halves cost 5e-4 of the logits' deviation.
    limit = 2 * gold.noise_rms + 5e-4 * float(gold.logits_deq.std())
    assert rms(logits[gold.rows] - gold.logits_deq) <= limit
    differs = np.flatnonzero(logits.argmax(axis=1) != gold.greedy)
    assert all(gold.margin[i] <= 6 * gold.noise_rms for i in differs)
