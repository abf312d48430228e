"""Generation by a reference: prefill, decode, and each reason to stop."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ReferenceModelError
from harness.gguf import Model, read_gguf
from harness.reference import (
    GREEDY,
    ContractReference,
    FloatReference,
    SamplingParams,
    decode,
    encode,
    generate,
    teacher_forced,
)
from harness.synth import synthesize

PROMPT = [1, 300, 301, 302]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "micro.gguf"
    synthesize("micro", quant="Q8_0", path=path)
    return read_gguf(path)


def test_generation_equals_the_teacher_forced_rows_bit_for_bit(model: Model) -> None:
    reference = ContractReference(model)
    run = generate(reference, PROMPT, GREEDY, 12)
    assert run.stop == "length"
    assert len(run.ids) == 12
    assert np.array_equal(teacher_forced(reference, PROMPT, run.ids), run.logits)
    assert run.logits.argmax(axis=1).tolist() == list(run.ids)


def test_an_ending_token_stops_and_is_kept(model: Model) -> None:
    reference = ContractReference(model)
    free = generate(reference, PROMPT, GREEDY, 6)
    end = free.ids[3]
    run = generate(reference, PROMPT, GREEDY, 6, eog_ids=(end,))
    assert run.stop == "eos"
    assert run.ids == free.ids[: free.ids.index(end) + 1]
    assert len(run.logits) == len(run.ids)


def test_a_full_context_stops(model: Model) -> None:
    run = generate(FloatReference(model), PROMPT, GREEDY, 50, n_ctx=8)
    assert run.stop == "context"
    assert len(run.ids) == 5  # positions 4..7 and one token that is chosen, but never fed


@pytest.mark.slow
def test_sampling_is_repeatable(model: Model) -> None:
    params = SamplingParams(temp=3.0, seed=11)
    first, second = (generate(ContractReference(model), PROMPT, params, 10) for _ in range(2))
    assert first.ids == second.ids
    assert first.ids != generate(ContractReference(model), PROMPT, GREEDY, 10).ids


def test_prompts_that_cannot_be_run_are_refused(model: Model) -> None:
    reference = FloatReference(model)
    with pytest.raises(ReferenceModelError, match="no tokens"):
        generate(reference, [], GREEDY, 1)
    with pytest.raises(ReferenceModelError, match="token 99999"):
        generate(reference, [99999], GREEDY, 1)
    with pytest.raises(ReferenceModelError, match="n_ctx is 3"):
        generate(reference, PROMPT, GREEDY, 1, n_ctx=3)


@pytest.mark.slow
def test_a_real_model_tells_a_story_in_both_references(stories260k: Path) -> None:
    model = read_gguf(stories260k)
    ids = encode(model.vocabulary, "Once upon a time", add_special=True, parse_special=False)
    run = generate(FloatReference(model), ids, GREEDY, 200, model.vocabulary.eog_ids)
    text = decode(model.vocabulary, list(run.ids)).decode()
    assert text.startswith(", there was a little girl named Lily. She loved to play outs")
    contract = teacher_forced(ContractReference(model), ids, run.ids)
    assert contract.argmax(axis=1).tolist() == list(run.ids)
