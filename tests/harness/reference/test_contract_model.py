"""The contract model: independent of batching, and near float64 as far as its roundings allow."""

from collections.abc import Callable

import numpy as np
import pytest

from harness.errors import ReferenceModelError
from harness.gguf import Model, read_gguf
from harness.reference import ContractReference, FloatReference
from harness.synth import synthesize

pytestmark = pytest.mark.slow

QUANTS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q6_K", "Q4_K_M", "every-type"]
IDS = np.random.default_rng(8).integers(3, 512, 70).tolist()  # crosses an attention chunk of 64

ModelOf = Callable[[str, str], Model]


@pytest.fixture(scope="session")
def model_of(tmp_path_factory: pytest.TempPathFactory) -> ModelOf:
    folder = tmp_path_factory.mktemp("models")

    def make(like: str, quant: str) -> Model:
        path = folder / f"{like}-{quant}.gguf"
        if not path.exists():
            synthesize(like, quant=quant, path=path)
        return read_gguf(path)

    return make


@pytest.mark.parametrize("quant", ["F32", "Q8_0"])
def test_logits_do_not_depend_on_how_the_prompt_was_batched(model_of: ModelOf, quant: str) -> None:
    model = model_of("micro", quant)
    whole = ContractReference(model).forward(IDS, 0)
    pieces = ContractReference(model)
    at, parts = 0, []
    for size in (1, 16, 40, 3, 1, 1, 8):
        parts.append(pieces.forward(IDS[at : at + size], at))
        at += size
    assert at == len(IDS)
    assert np.array_equal(np.concatenate(parts).view(np.uint32), whole.view(np.uint32))


def test_logits_do_not_depend_on_keeping_prepared_weights(model_of: ModelOf) -> None:
    model = model_of("micro", "Q8_0")
    kept, streamed = ContractReference(model), ContractReference(model, keep_bytes=0)
    assert np.array_equal(kept.forward(IDS[:4], 0), streamed.forward(IDS[:4], 0))


def test_rewinding_forgets_later_tokens(model_of: ModelOf) -> None:
    reference = ContractReference(model_of("micro", "Q8_0"))
    once = reference.forward(IDS[:10], 0)
    reference.forward(IDS[20:25], 5)
    assert np.array_equal(reference.forward(IDS[5:10], 5), once[5:])


def test_the_last_rows_alone_are_the_last_of_all_rows(model_of: ModelOf) -> None:
    reference = ContractReference(model_of("micro", "F16"))
    assert np.array_equal(reference.forward(IDS[:9], 0, last=2), reference.forward(IDS[:9], 0)[-2:])


@pytest.mark.parametrize("quant", QUANTS)
def test_contract_is_as_near_to_float64_as_its_roundings_allow(
    model_of: ModelOf, quant: str
) -> None:
    model = model_of("tiny", quant)
    ids = IDS[:24]
    exact = FloatReference(model).forward(ids, 0)
    found = ContractReference(model, "f32").forward(ids, 0)
    rms = float(np.sqrt(np.mean((found - exact) ** 2))) / float(exact.std())
    # Plain weights: float32 rounding, 1e-6 measured. Activations in 8 bits: llama.cpp itself was
    # measured at 1.8% to 4.4% of the std; less than a tenth of that would mean no rounding at all.
    low, high = (0.0, 1e-5) if quant in ("F32", "F16", "BF16") else (0.0044, 0.044)
    assert low <= rms <= high


def test_f16_kv_cache_costs_what_rounding_to_half_costs(model_of: ModelOf) -> None:
    model = model_of("tiny", "F32")
    exact = FloatReference(model).forward(IDS[:24], 0)
    found = ContractReference(model, "f16").forward(IDS[:24], 0)
    rms = float(np.sqrt(np.mean((found - exact) ** 2))) / float(exact.std())
    assert 1e-5 < rms < 2.0**-11  # below half a unit in the last place of a half: 4.9e-4


def test_float_reference_streams_to_the_same_values(model_of: ModelOf) -> None:
    model = model_of("micro", "Q8_0")
    kept, streamed = FloatReference(model), FloatReference(model, keep_bytes=0)
    assert np.array_equal(kept.forward(IDS[:4], 0), streamed.forward(IDS[:4], 0))


def test_float_reference_continues_from_its_cache(model_of: ModelOf) -> None:
    model = model_of("micro", "Q8_0")
    whole = FloatReference(model).forward(IDS, 0)
    pieces = FloatReference(model)
    parts = [
        pieces.forward(IDS[:66], 0),
        pieces.forward(IDS[66:67], 66),
        pieces.forward(IDS[67:], 67),
    ]
    # float64 sums in another order: 1e-16 per operation, some thousands of them.
    assert np.allclose(np.concatenate(parts), whole, rtol=0, atol=1e-11)


def test_unknown_kv_type_and_gaps_in_position_are_refused(model_of: ModelOf) -> None:
    model = model_of("micro", "Q8_0")
    with pytest.raises(ReferenceModelError, match="f16, f32"):
        ContractReference(model, "q5_0")
    with pytest.raises(ReferenceModelError, match="position 3"):
        ContractReference(model).forward(IDS[:2], 3)
