"""Both references against llama.cpp's recorded answers."""

from pathlib import Path

import numpy as np
import pytest

from harness.reference import ContractReference, FloatReference, teacher_forced
from tests.gold import Gold, read_gold, rms

pytestmark = pytest.mark.slow

NAMES = [
    *[f"stories260K-{quant}" for quant in ("F32", "F16", "Q8_0", "Q4_0", "Q5_1", "Q4_K_M")],
    *[f"llama-gqa-{quant}" for quant in ("Q8_0", "Q6_K", "Q4_K_M")],
    "llama-odd320-Q4_K_M",  # Q5_0 and Q8_0: its widths are no multiples of 256
    "granite-Q4_K_M",
    "qwen2-Q8_0",
    "qwen3-Q4_K_M",
    "phi3-Q8_0",
]


@pytest.fixture(scope="module", params=NAMES)
def gold(request: pytest.FixtureRequest, shared: Path) -> Gold:
    return read_gold(shared, str(request.param))


def test_float_logits_equal_those_of_expanded_weights(gold: Gold) -> None:
    logits = teacher_forced(FloatReference(gold.model), gold.prompt_ids, gold.greedy)
    assert np.abs(logits[gold.rows] - gold.logits_deq).max() <= gold.float_limit
    differs = np.flatnonzero(logits.argmax(axis=1) != gold.greedy)
    assert all(gold.margin[i] <= 6 * gold.noise_rms for i in differs)  # near-ties


@pytest.mark.parametrize("kv_type", ["f16", "f32"])
def test_contract_noise_is_at_most_twice_that_of_llama_cpp(gold: Gold, kv_type: str) -> None:
    contract = ContractReference(gold.model, kv_type)
    logits = teacher_forced(contract, gold.prompt_ids, gold.greedy)
    found = rms(logits[gold.rows] - gold.logits_deq)
    # The recorded run kept K and V in F32. Rounding them to F16 costs rms 2.4e-4 of the logits'
    # std (measured on the trained F32 model, where nothing else rounds); allowed: twice that.
    kv_noise = 5e-4 * float(gold.logits_deq.std()) if kv_type == "f16" else 0.0
    assert found <= 2 * gold.noise_rms + kv_noise + 1e-4
