"""How far two sets of logits are apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[Any]  # (rows, n_vocab_rows)


@dataclass(frozen=True)
class Agreement:
    """Distances of observed logits from the wanted ones, over all rows."""

    cosine: float  # blind to scale, hence the others
    max_abs: float
    rms: float
    std: float  # of the wanted logits: the scale to see rms against
    kl_mean: float  # KL(wanted || observed) of the softmaxes, nats per row


@dataclass(frozen=True)
class BitEquality:
    """How many float32 values are the same bits, and how far the others are."""

    equal: int
    total: int
    max_ulp: int
    max_abs: float
    first_row: int | None  # the first row with a difference

    @property
    def all_equal(self) -> bool:
        """The contract of numbers holds."""
        return self.equal == self.total


def agreement(observed: Logits, wanted: Logits) -> Agreement:
    """Compare in float64; a NaN makes every figure NaN, which passes no limit."""
    a, b = observed.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = a - b
        log_a, log_b = _log_softmax(a), _log_softmax(b)
        return Agreement(
            cosine=float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())),
            max_abs=float(np.abs(difference).max()),
            rms=float(np.sqrt(np.mean(difference * difference))),
            std=float(b.std()),
            kl_mean=float((np.exp(log_b) * (log_b - log_a)).sum(axis=-1).mean()),
        )


def bit_equality(observed: Logits, wanted: Logits) -> BitEquality:
    """Compare float32 logits as bit patterns; ulp = float32 numbers between two values."""
    a, b = np.asarray(observed, np.float32), np.asarray(wanted, np.float32)
    differs = a.view(np.uint32) != b.view(np.uint32)
    rows = np.flatnonzero(differs.any(axis=1))
    with np.errstate(invalid="ignore", over="ignore"):
        max_abs = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
    return BitEquality(
        equal=int((~differs).sum()),
        total=a.size,
        max_ulp=int(np.abs(_ordinal(a) - _ordinal(b)).max()),
        max_abs=max_abs,
        first_row=int(rows[0]) if rows.size else None,
    )


def _ordinal(x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Consecutive float32 numbers get consecutive integers; both zeros get 0."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _log_softmax(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float64)
