"""Kernel against reference: the same tokens, the same bits, and near enough to float64.

Both references are fed the kernel's own tokens, all in one batch: row i says what a reference
would have chosen after the kernel's first i tokens. When every row agrees, the free-running
texts are equal; when one does not, the rows after it still compare like with like.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import TargetError, VerifyError
from harness.gguf import Model
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.reference import (
    ContractReference,
    FloatReference,
    Sampler,
    decode,
    encode,
    is_greedy,
    teacher_forced,
)
from harness.verify.agreement import Agreement, Logits, agreement, bit_equality
from harness.verify.limits import (
    FLOAT32_ABS,
    FLOAT32_KL,
    NEAR_TIE_RMS,
    NOISE_RATIO,
    Limits,
    limits_for,
)
from harness.verify.verdict import Check, Difference, Verdict

LAST_BITS_ULP = 1 << 10  # 2^-13 of a value; larger differences are no last bits


@dataclass(frozen=True)
class _Run:
    """The kernel's run as rows: an ending token is one of the chosen."""

    prompt_ids: tuple[int, ...]
    chosen: tuple[int, ...]
    logits: Logits | None


def compare(
    generation: Generation,
    model: Model,
    *,
    prompt: Prompt,
    written: Sequence[int | bytes] | None = None,
    markers: frozenset[int] = frozenset(),
    params: SamplingParams,
    kv_type: str = "f16",
    n_ctx: int | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Judge one generation. `on_stage` hears what is being computed, for a progress line.

    `written`: a prompt of turns as the chat template writes it, special tokens and plain texts,
    which may not become one of `markers`.
    """
    run = _run_of(generation, model)
    on_stage("contract reference")
    integers = ContractReference(model, kv_type, n_ctx=n_ctx)
    contract = teacher_forced(integers, run.prompt_ids, run.chosen)
    on_stage("float64 reference")
    exact = teacher_forced(FloatReference(model, n_ctx=n_ctx), run.prompt_ids, run.chosen)
    noise = agreement(contract, exact)

    checks = [
        _prompt_check(
            run,
            expected_ids(model, prompt)
            if written is None
            else ids_of_written(model, written, markers),
        ),
        _stop_check(generation, run, model, params, n_ctx),
        _text_check(generation, model),
    ]
    figures: dict[str, float | int | None] = {"noise_rms": noise.rms}
    judge = _Judge(run, model, params, near_tie_below=NEAR_TIE_RMS * noise.rms)
    contract_differences = judge.differences("contract", contract)
    checks.append(_count_check("contract: tokens", run, contract_differences, "all equal"))
    if run.logits is not None:
        checks.append(_bits_check(run.logits, contract, figures))
    # A drawn token depends on where a random number falls, which noise may move at any margin;
    # for float64 the question is then which token was the most probable one.
    float_differences = judge.differences("float64", exact, drawn=False)
    if float_differences is not None:
        checks.append(_near_tie_check(run, float_differences))
    if run.logits is not None:
        checks += _float_checks(run.logits, exact, limits_for(model, kv_type), noise, figures)
    firsts = [found[0] for found in (contract_differences, float_differences) if found]
    return Verdict(
        model=model.path.name,
        kv_type=kv_type,
        n_prompt=len(run.prompt_ids),
        n_generated=len(run.chosen),
        checks=tuple(checks),
        first_differences=tuple(firsts),
        figures=figures,
    )


def _run_of(generation: Generation, model: Model) -> _Run:
    chosen, logits = generation.ids, generation.logits
    if generation.eog_id is not None:
        chosen = (*chosen, generation.eog_id)
        if logits is not None and generation.eog_logits is not None:
            logits = np.concatenate([logits, generation.eog_logits[None]])
    if not chosen:
        raise VerifyError("the kernel generated no tokens", hint="ask for at least one with -n")
    wanted = (len(chosen), model.hyper.n_vocab_rows)
    if logits is not None and logits.shape != wanted:
        raise TargetError(f"the kernel's logits have shape {logits.shape}, wanted {wanted}")
    n_vocab = len(model.vocabulary.tokens)
    for token in generation.prompt_ids:
        if not 0 <= token < n_vocab:
            raise VerifyError(
                f"token {token} of the prompt has no text, the vocabulary has {n_vocab} tokens",
                hint=f"ids of prompts that are to be verified: 0 to {n_vocab - 1}",
            )
    for token in chosen:
        if not 0 <= token < n_vocab:
            raise TargetError(f"the kernel answered token {token}, wanted less than {n_vocab}")
    return _Run(generation.prompt_ids, chosen, logits)


class _Judge:
    """Asks a reference's logits, row by row, which token they would have led to."""

    def __init__(
        self, run: _Run, model: Model, params: SamplingParams, near_tie_below: float
    ) -> None:
        self._run = run
        self._vocabulary = model.vocabulary
        self._params = params
        self._near_tie_below = near_tie_below

    def differences(
        self, reference: str, logits: Logits, *, drawn: bool = True
    ) -> list[Difference] | None:
        """All rows where the reference's choice is another one than the kernel's.

        Without `drawn`, sampled runs are judged by the largest logit, which needs the kernel's.
        """
        by_choice = drawn or is_greedy(self._params.temp)
        if not by_choice and self._run.logits is None:
            return None
        sampler = Sampler(self._params, len(self._vocabulary.tokens))
        history = list(self._run.prompt_ids)
        found = []
        for i, token in enumerate(self._run.chosen):
            values = sampler.penalized(logits[i], history)
            if by_choice:
                kernel, wanted = token, sampler.choose(logits[i], history)
            else:
                assert self._run.logits is not None
                kernel = int(np.argmax(sampler.penalized(self._run.logits[i], history)))
                wanted = int(np.argmax(values))
            if kernel != wanted:
                found.append(self._difference(reference, i, kernel, wanted, values))
            history.append(token)
        return found

    def _difference(
        self, reference: str, position: int, kernel: int, wanted: int, values: Logits
    ) -> Difference:
        second, best = np.partition(values.astype(np.float64), -2)[-2:]
        return Difference(
            reference=reference,
            position=position,
            kernel_id=kernel,
            kernel_text=self._text(kernel),
            reference_id=wanted,
            reference_text=self._text(wanted),
            margin=float(best - second),
            near_tie_below=self._near_tie_below,
        )

    def _text(self, token: int) -> str:
        return self._vocabulary.tokens[token].decode("utf-8", "replace")


def _prompt_check(run: _Run, wanted: tuple[int, ...]) -> Check:
    ok = run.prompt_ids == wanted
    observed = f"{len(run.prompt_ids)} tokens"
    if not ok:
        at = next(
            (i for i, (a, b) in enumerate(zip(run.prompt_ids, wanted, strict=False)) if a != b),
            min(len(run.prompt_ids), len(wanted)),
        )
        observed += f", {run.prompt_ids[at : at + 3]} at {at}"
        return Check("prompt", ok, observed, f"{len(wanted)} tokens, {wanted[at : at + 3]} at {at}")
    return Check("prompt", ok, observed, "the reference tokenizer's")


def expected_ids(model: Model, prompt: Prompt) -> tuple[int, ...]:
    """The prompt's ids by the reference tokenizer, segment by segment."""
    if prompt.ids is not None:
        return prompt.ids
    ids: list[int] = []
    for segment in prompt.segments:
        ids += encode(
            model.vocabulary,
            segment.data,
            add_special=segment.add_special,
            parse_special=segment.parse_special,
        )
    return tuple(ids)


def ids_of_written(
    model: Model, written: Sequence[int | bytes], markers: frozenset[int]
) -> tuple[int, ...]:
    """Ids of special tokens as they are; texts by the reference tokenizer."""
    ids: list[int] = []
    for part in written:
        if isinstance(part, int):
            ids.append(part)
        else:
            ids += encode(
                model.vocabulary, part, add_special=False, parse_special=False, never=markers
            )
    return tuple(ids)


def _stop_check(
    generation: Generation, run: _Run, model: Model, params: SamplingParams, n_ctx: int | None
) -> Check:
    eog_ids = () if params.ignore_eog else model.vocabulary.eog_ids
    if run.chosen[-1] in eog_ids:
        wanted = "eos"
    elif len(run.chosen) >= params.n_predict:
        wanted = "length"
    # The last token of a full context is chosen from the last position, and itself has none.
    elif n_ctx is None or len(run.prompt_ids) + len(run.chosen) > n_ctx:
        wanted = "context"
    else:
        wanted = f"{params.n_predict} tokens"
    early = [token for token in run.chosen[:-1] if token in eog_ids]
    ok = generation.stop == wanted and not early
    observed = generation.stop + (f", but went on after token {early[0]}" if early else "")
    return Check("stop", ok, observed, wanted)


def _text_check(generation: Generation, model: Model) -> Check:
    wanted = decode(model.vocabulary, list(generation.ids))
    ok = b"".join(generation.pieces) == wanted
    return Check("text", ok, f"{sum(map(len, generation.pieces))} bytes", f"{len(wanted)} bytes")


def _count_check(
    name: str, run: _Run, differences: Sequence[Difference] | None, wanted: str
) -> Check:
    n = len(run.chosen)
    return Check(name, not differences, f"{n - len(differences or ())} of {n} equal", wanted)


def _near_tie_check(run: _Run, differences: Sequence[Difference]) -> Check:
    n, wide = len(run.chosen), [d for d in differences if not d.near_tie]
    observed = f"{n - len(differences)} of {n} equal"
    if differences:
        observed += f", near-ties: {len(differences) - len(wide)}"
    return Check("float64: tokens", not wide, observed, "equal, or margin <= 6 x rms noise")


def _bits_check(observed: Logits, wanted: Logits, figures: dict[str, float | int | None]) -> Check:
    bits = bit_equality(observed, wanted)
    figures |= {"bits_equal": bits.equal, "bits_total": bits.total, "max_ulp": bits.max_ulp}
    text = f"{bits.equal} of {bits.total} bit-equal"
    if not bits.all_equal:
        size = f"{bits.max_ulp} ulp, " if bits.max_ulp <= LAST_BITS_ULP else ""
        text += f", from token {bits.first_row}, by up to {size}{bits.max_abs:.2g}"
    return Check("contract: logits", bits.all_equal, text, "all bit-equal")


def _float_checks(
    observed: Logits,
    exact: Logits,
    limits: Limits,
    noise: Agreement,
    figures: dict[str, float | int | None],
) -> list[Check]:
    found = agreement(observed, exact)
    rms_limit = min(NOISE_RATIO * noise.rms + FLOAT32_ABS, limits.rms_per_std * found.std)
    kl_limit = min(NOISE_RATIO**2 * noise.kl_mean + FLOAT32_KL, limits.kl_mean)
    figures |= {
        "cosine": found.cosine,
        "max_abs": found.max_abs,
        "rms": found.rms,
        "std": found.std,
        "kl_mean": found.kl_mean,
    }
    return [
        Check(
            "float64: cosine",
            found.cosine >= limits.cosine,
            f"1 - {1 - found.cosine:.2g}",
            f">= {limits.cosine}",
        ),
        Check(
            "float64: rms",
            found.rms <= rms_limit,
            f"{found.rms:.3g} (max {found.max_abs:.3g}, std of logits {found.std:.3g})",
            f"<= {rms_limit:.3g}",
        ),
        Check(
            "float64: KL",
            found.kl_mean <= kl_limit,
            f"{found.kl_mean:.2g}",
            f"<= {kl_limit:.2g}",
        ),
    ]
