"""The verdict passes a faithful kernel and fails every corrupted one."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import TargetError, VerifyError
from harness.gguf import Model, read_gguf
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.reference import ContractReference, encode, generate
from harness.reference.tokenizer import piece
from harness.synth import synthesize
from harness.verify import Verdict, compare
from harness.verify.agreement import Logits

PROMPT = Prompt.of_text("Once upon a time")
N = 12
GREEDY = SamplingParams(n_predict=N, temp=0.0)


@pytest.fixture(scope="module", params=["F32", "Q8_0"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / f"micro-{request.param}.gguf"
    synthesize("micro", quant=request.param, path=path)
    return read_gguf(path)


@pytest.fixture(scope="module")
def faithful(model: Model) -> Generation:
    return kernel_run(model, GREEDY)


def kernel_run(model: Model, params: SamplingParams, n_ctx: int | None = None) -> Generation:
    """What a kernel that keeps the contract would answer."""
    ids = encode(model.vocabulary, "Once upon a time", add_special=True, parse_special=True)
    ends = model.vocabulary.eog_ids
    run = generate(ContractReference(model), ids, params, params.n_predict, ends, n_ctx)
    n = len(run.ids) - (run.stop == "eos")
    pieces = tuple(piece(model.vocabulary, token) for token in run.ids[:n])
    return Generation(
        prompt_ids=tuple(ids),
        ids=run.ids[:n],
        pieces=pieces,
        text=b"".join(pieces).decode("utf-8", "replace"),
        stop=run.stop,
        probs=(1.0,) * n,
        logits=run.logits[:n].astype(np.float32),
        stats=None,
        eog_id=run.ids[-1] if run.stop == "eos" else None,
        eog_logits=run.logits[-1] if run.stop == "eos" else None,
    )


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.ok}


def judge(generation: Generation, model: Model, params: SamplingParams = GREEDY) -> Verdict:
    return compare(generation, model, prompt=PROMPT, params=params)


def with_logits(generation: Generation, change: Callable[[Logits], None]) -> Generation:
    assert generation.logits is not None
    logits = generation.logits.copy()
    change(logits)
    return replace(generation, logits=logits)


def test_a_faithful_kernel_passes(model: Model, faithful: Generation) -> None:
    verdict = judge(faithful, model)
    assert verdict.ok, verdict.report()
    assert verdict.figures["bits_equal"] == verdict.figures["bits_total"]
    assert verdict.report().endswith("verdict: PASS")


def test_one_wrong_token_fails_and_is_named(model: Model, faithful: Generation) -> None:
    assert faithful.logits is not None
    worst = int(faithful.logits[5].argmin())
    ids = (*faithful.ids[:5], worst, *faithful.ids[6:])
    pieces = tuple(piece(model.vocabulary, token) for token in ids)
    verdict = judge(replace(faithful, ids=ids, pieces=pieces), model)
    assert {"contract: tokens", "float64: tokens"} <= failed(verdict)
    first = verdict.first_differences[0]
    assert (first.position, first.kernel_id, first.reference_id) == (5, worst, faithful.ids[5])
    assert str(worst) in verdict.report()


def test_a_wrong_scale_fails_although_every_token_is_right(
    model: Model, faithful: Generation
) -> None:
    def scale(logits: Logits) -> None:
        logits *= np.float32(1.01)

    verdict = judge(with_logits(faithful, scale), model)
    assert "contract: logits" in failed(verdict)
    assert "contract: tokens" not in failed(verdict)
    if "F32" in model.name:  # there the float64 reference sees it by itself
        assert "float64: rms" in failed(verdict)


def test_one_logit_off_by_a_hundredth_fails(model: Model, faithful: Generation) -> None:
    def nudge(logits: Logits) -> None:
        logits[7, 3] += np.float32(1e-2)

    verdict = judge(with_logits(faithful, nudge), model)
    assert failed(verdict) == {"contract: logits"}
    assert "from token 7" in verdict.report()


def test_one_logit_off_by_its_last_bit_fails_and_says_so(
    model: Model, faithful: Generation
) -> None:
    def nudge(logits: Logits) -> None:
        logits[0, 0] = np.nextafter(logits[0, 0], np.float32(np.inf))

    verdict = judge(with_logits(faithful, nudge), model)
    assert failed(verdict) == {"contract: logits"}
    assert "by up to 1 ulp" in verdict.report()


def test_a_logit_that_is_no_number_fails(model: Model, faithful: Generation) -> None:
    def spoil(logits: Logits) -> None:
        logits[2, 2] = np.nan

    assert {"contract: logits", "float64: rms"} <= failed(
        judge(with_logits(faithful, spoil), model)
    )


def test_a_model_computed_wrongly_fails_against_float64(model: Model, faithful: Generation) -> None:
    def forget_order(logits: Logits) -> None:
        logits[:] = logits[::-1]

    found = failed(judge(with_logits(faithful, forget_order), model))
    assert {"float64: cosine", "float64: rms", "float64: KL"} <= found


def test_a_prompt_tokenised_otherwise_fails(model: Model, faithful: Generation) -> None:
    verdict = judge(replace(faithful, prompt_ids=faithful.prompt_ids[1:]), model)
    assert "prompt" in failed(verdict)


def test_wrong_text_fails(model: Model, faithful: Generation) -> None:
    verdict = judge(replace(faithful, pieces=(b"?", *faithful.pieces[1:])), model)
    assert failed(verdict) == {"text"}


def test_stopping_early_fails(model: Model, faithful: Generation) -> None:
    assert faithful.logits is not None
    short = replace(
        faithful, ids=faithful.ids[:4], pieces=faithful.pieces[:4], logits=faithful.logits[:4]
    )
    assert failed(judge(short, model)) == {"stop"}
    claims_full = replace(short, stop="context")
    verdict = compare(claims_full, model, prompt=PROMPT, params=GREEDY, n_ctx=2048)
    assert failed(verdict) == {"stop"}


def test_a_full_context_is_a_reason_to_stop(model: Model, faithful: Generation) -> None:
    n_ctx = len(faithful.prompt_ids) + 5
    run = kernel_run(model, GREEDY, n_ctx)
    assert run.stop == "context"
    assert compare(run, model, prompt=PROMPT, params=GREEDY, n_ctx=n_ctx).ok
    assert failed(compare(run, model, prompt=PROMPT, params=GREEDY, n_ctx=n_ctx + 1)) == {"stop"}


def test_an_ending_token_is_judged_with_its_logits(model: Model, faithful: Generation) -> None:
    end = faithful.ids[4]
    vocabulary = replace(model.vocabulary, eog_ids=(end,))
    ending = replace(model, vocabulary=vocabulary)
    run = kernel_run(ending, GREEDY)
    assert (run.stop, run.eog_id) == ("eos", end)
    verdict = judge(run, ending)
    assert verdict.ok, verdict.report()
    assert verdict.n_generated == len(run.ids) + 1


@pytest.mark.slow
@pytest.mark.parametrize("temp", [0.8, 2.0])
def test_sampled_tokens_are_drawn_again_from_the_reference(model: Model, temp: float) -> None:
    params = SamplingParams(n_predict=N, temp=temp, seed=7, repeat_penalty=1.1)
    run = kernel_run(model, params)
    verdict = judge(run, model, params)
    assert verdict.ok, verdict.report()
    other_seed = judge(run, model, replace(params, seed=8, temp=2.0))
    assert "contract: tokens" in failed(other_seed)


def test_tokens_alone_can_be_judged(model: Model, faithful: Generation) -> None:
    verdict = judge(replace(faithful, logits=None), model)
    assert verdict.ok
    assert not any("logits" in check.name for check in verdict.checks)


def test_the_verdict_is_json(model: Model, faithful: Generation) -> None:
    found = json.loads(json.dumps(judge(faithful, model).as_dict()))
    assert found["ok"] is True
    assert {"noise_rms", "cosine", "max_ulp"} <= set(found["figures"])


def test_what_cannot_be_compared_is_refused(model: Model, faithful: Generation) -> None:
    assert faithful.logits is not None
    with pytest.raises(VerifyError, match="no tokens"):
        judge(replace(faithful, ids=(), logits=None), model)
    with pytest.raises(TargetError, match="shape"):
        judge(replace(faithful, logits=faithful.logits[:, 1:]), model)
    with pytest.raises(TargetError, match="token 99999"):
        judge(replace(faithful, ids=(99999, *faithful.ids[1:])), model)
    with pytest.raises(VerifyError, match="token 99999 of the prompt"):
        judge(replace(faithful, prompt_ids=(99999,)), model)
