"""Run a reference model as the kernel runs: prefill, choose, decode, stop."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.errors import ReferenceModelError
from harness.gguf import HyperParameters
from harness.reference.sampler import Sampler, Sampling


class Reference(Protocol):
    """FloatReference and ContractReference."""

    hyper: HyperParameters
    n_vocab: int

    def forward(self, ids: Sequence[int], pos: int, *, last: int | None = None) -> npt.NDArray[Any]:
        """Logits of the last `last` of the tokens at positions pos.. ."""
        ...


@dataclass(frozen=True)
class ReferenceRun:
    """`ids` are all tokens chosen, an ending one included; logits[i] is what ids[i] came from."""

    ids: tuple[int, ...]
    logits: npt.NDArray[Any]  # (len(ids), n_vocab_rows)
    stop: str  # "length", "eos" or "context"


def generate(
    reference: Reference,
    prompt_ids: Sequence[int],
    params: Sampling,
    n_predict: int,
    eog_ids: Collection[int] = (),
    n_ctx: int | None = None,
) -> ReferenceRun:
    """Generate freely, at most n_predict tokens, until a token of `eog_ids` or a full context."""
    check_prompt(reference, prompt_ids)
    n_ctx = reference.hyper.n_ctx_train if n_ctx is None else n_ctx
    if len(prompt_ids) > n_ctx:
        raise ReferenceModelError(f"the prompt has {len(prompt_ids)} tokens, n_ctx is {n_ctx}")
    sampler = Sampler(params, reference.n_vocab)
    history, fresh = list(prompt_ids), list(prompt_ids)
    ids: list[int] = []
    rows: list[npt.NDArray[Any]] = []
    stop = "length"
    while len(ids) < n_predict:
        if len(history) > n_ctx:  # the token just chosen has no position left
            stop = "context"
            break
        rows.append(reference.forward(fresh, len(history) - len(fresh), last=1)[0])
        token = sampler.choose(rows[-1], history)
        ids.append(token)
        history.append(token)
        fresh = [token]
        if token in eog_ids:
            stop = "eos"
            break
    logits = np.array(rows) if rows else np.zeros((0, reference.hyper.n_vocab_rows), np.float32)
    return ReferenceRun(tuple(ids), logits, stop)


def teacher_forced(
    reference: Reference, prompt_ids: Sequence[int], ids: Sequence[int]
) -> npt.NDArray[Any]:
    """Logits (len(ids), n_vocab_rows) before each of `ids`, whoever chose them, in one batch."""
    check_prompt(reference, prompt_ids)
    if not ids:
        return np.zeros((0, reference.hyper.n_vocab_rows), np.float32)
    return reference.forward([*prompt_ids, *ids[:-1]], 0, last=len(ids))


def check_prompt(reference: Reference, ids: Sequence[int]) -> None:
    """A prompt has at least one token, and each is a token of the model."""
    if not ids:
        raise ReferenceModelError("the prompt has no tokens", hint="give a text or BOS")
    for token in ids:
        if not 0 <= token < reference.n_vocab:
            raise ReferenceModelError(
                f"token {token} is not one of the model's {reference.n_vocab} tokens"
            )
