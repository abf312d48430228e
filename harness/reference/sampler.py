"""Choose a token from logits: llama.cpp's order of filters in float32, with a PCG32 of our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.reference.contract_ops import exp_f32
from harness.reference.fma import F32

_MASK64 = (1 << 64) - 1
_MULTIPLIER = 6364136223846793005
_INCREMENT = 54 << 1 | 1


class Sampling(Protocol):
    """What a sampler needs to know; the parameters of a generation request have these too."""

    @property
    def temp(self) -> float: ...  # noqa: D102 - llama.cpp's names say it
    @property
    def top_k(self) -> int: ...  # noqa: D102
    @property
    def top_p(self) -> float: ...  # noqa: D102
    @property
    def min_p(self) -> float: ...  # noqa: D102
    @property
    def repeat_penalty(self) -> float: ...  # noqa: D102
    @property
    def repeat_last_n(self) -> int: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class SamplingParams:
    """llama.cpp's defaults. temp < 0.001 is greedy; top_k <= 0, top_p >= 1, min_p <= 0 are off."""

    temp: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    seed: int = 0


GREEDY = SamplingParams(temp=0.0)
GREEDY_BELOW = np.float32(1e-3)  # a gap of 0.1 is e^-100 there; logits over much less overflow


def is_greedy(temp: float) -> bool:
    """Whether the best token is taken without drawing; temp as the float32 that the kernel gets."""
    return bool(np.float32(temp) < GREEDY_BELOW)


class Pcg32:
    """PCG32 XSH-RR (O'Neill 2014), stream 54."""

    def __init__(self, seed: int) -> None:
        self._state = 0
        self.next()
        self._state = (self._state + seed) & _MASK64
        self.next()

    def next(self) -> int:
        """32 uniform bits."""
        old = self._state
        self._state = (old * _MULTIPLIER + _INCREMENT) & _MASK64
        word = ((old >> 18 ^ old) >> 27) & 0xFFFFFFFF
        rotation = old >> 59
        return (word >> rotation | word << (32 - rotation)) & 0xFFFFFFFF


class Sampler:
    """One generation request: its parameters and random numbers, one drawn per sampled token."""

    def __init__(self, params: Sampling, n_vocab: int) -> None:
        self._greedy = is_greedy(params.temp)
        self._temp = np.float32(params.temp)
        self._top_k = params.top_k
        self._top_p = np.float32(params.top_p)
        self._min_p = np.float32(params.min_p)
        self._penalty = np.float32(params.repeat_penalty)
        self._last_n = params.repeat_last_n
        self._n_vocab = n_vocab  # logits beyond it belong to padding rows and are never chosen
        self._random = Pcg32(params.seed)

    def choose(self, logits: npt.NDArray[Any], history: Sequence[int]) -> int:
        """The next token after `history` (prompt and generated tokens)."""
        values = self.penalized(logits, history)
        if self._greedy:
            return int(np.argmax(values))  # the lowest id on a tie
        ids = self._candidates(values)
        scaled = values[ids] / self._temp
        weight = exp_f32(scaled - scaled[0])
        sums = np.add.accumulate(weight, dtype=np.float32)
        u = np.float32(self._random.next() >> 8) * np.float32(2.0**-24)
        beyond = np.flatnonzero(sums > u * sums[-1])
        return int(ids[beyond[0] if beyond.size else -1])

    def penalized(self, logits: npt.NDArray[Any], history: Sequence[int]) -> F32:
        """float32 logits of the real tokens after the repeat penalty."""
        values = np.array(logits[: self._n_vocab], np.float32)
        n = len(history) if self._last_n < 0 else self._last_n
        recent = history[max(0, len(history) - n) :]
        if self._penalty == 1 or not recent:
            return values
        ids = np.unique(np.asarray(recent))
        seen = values[ids]
        values[ids] = np.where(seen <= 0, seen * self._penalty, seen / self._penalty)
        return values

    def _candidates(self, values: F32) -> npt.NDArray[np.intp]:
        """Ids by falling logit (then rising id) that survive top-k, top-p and min-p."""
        ids = np.argsort(-values, kind="stable")
        if 0 < self._top_k < len(ids):
            ids = ids[: self._top_k]
        if self._top_p < 1:
            weight = exp_f32(values[ids] - values[ids[0]])
            total = np.add.accumulate(weight, dtype=np.float32)[-1]
            reached = np.add.accumulate(weight / total, dtype=np.float32) >= self._top_p
            if reached.any():
                ids = ids[: int(np.argmax(reached)) + 1]
        if self._min_p > 0:
            falls = exp_f32(values[ids] - values[ids[0]]) < self._min_p
            falls[0] = False
            if falls.any():
                ids = ids[: int(np.argmax(falls))]
        return ids
