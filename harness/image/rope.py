"""The table of rotary angles: cosines and sines of every position, as the kernel reads them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError
from harness.gguf import HyperParameters, Model
from harness.gguf.tensors import ROPE_FREQS, ROPE_LONG, ROPE_SHORT

ROPE_CHUNK_BYTES = 4 << 20
# YaRN keeps the frequencies that turn more than FAST times within the original context, stretches
# those that turn less than SLOW times, and blends between (Peng et al. 2023, section 3.2).
FAST, SLOW = 32.0, 1.0


@dataclass(frozen=True)
class Angles:
    """Pair i of position p turns by p * frequency[i]; cos and sin are multiplied by magnitude."""

    frequency: tuple[float, ...]
    magnitude: float


def rope_angles(model: Model, n_ctx: int) -> Angles:
    """base^(-2i/n_rot), divided by the file's own factors and stretched as the keys say.

    n_ctx: positions that there will be; Phi-3's factors depend on it.
    """
    hyper = model.hyper
    frequency = _frequencies(hyper, hyper.rope_freq_base)
    scaling = hyper.rope_scaling
    long = n_ctx > scaling.n_ctx_original
    for name in (ROPE_FREQS, ROPE_LONG if long else ROPE_SHORT):
        if name in model.tensors:
            factors = model.vector(name)
            wrong = factors[~(np.isfinite(factors) & (factors > 0))]
            if wrong.size:
                raise GgufError(
                    f"{model.path.name}: {name} holds {wrong[0]}, wanted divisors above 0",
                    hint="the file is damaged or was badly converted: download it again",
                )
            frequency = [f / float(x) for f, x in zip(frequency, factors, strict=True)]
    if scaling.kind == "linear":
        return Angles(tuple(f / scaling.factor for f in frequency), scaling.attn_factor)
    blend = _stretched(hyper)
    frequency = [
        f / scaling.factor * w + f * (1.0 - w) for f, w in zip(frequency, blend, strict=True)
    ]
    return Angles(tuple(frequency), scaling.attn_factor * (1.0 + 0.1 * math.log(scaling.factor)))


def local_rope_angles(model: Model) -> Angles:
    """Of layers that see a window: they have a base of their own and are not stretched."""
    base = model.hyper.rope_freq_base_local
    assert base is not None
    return Angles(tuple(_frequencies(model.hyper, base)), 1.0)


def rope_rows(angles: Angles, n_ctx: int) -> Iterator[npt.NDArray[np.float32]]:
    """Rows [n_rot/2][2] = (cos, sin) of positions 0 to n_ctx - 1, some positions at a time.

    Angles in float64, rounded once: position 100000 keeps all bits of its angle. By `math`, as in
    the reference: numpy picks its own vector code for these functions by CPU, whose last bits
    differ, so that one model would become another blob elsewhere.
    """
    pairs = len(angles.frequency)
    step = max(1, ROPE_CHUNK_BYTES // (8 * max(pairs, 1)))
    for first in range(0, n_ctx, step):
        positions = range(first, min(first + step, n_ctx))
        rows = np.empty((len(positions), pairs, 2), "<f4")
        rows[..., 0] = _of_angles(math.cos, positions, angles)
        rows[..., 1] = _of_angles(math.sin, positions, angles)
        yield rows


def _frequencies(hyper: HyperParameters, base: float) -> list[float]:
    return [math.pow(base, -2.0 * i / hyper.n_rot) for i in range(hyper.n_rot // 2)]


def _of_angles(
    function: Callable[[float], float], positions: range, angles: Angles
) -> npt.NDArray[np.float64]:
    values = (function(p * f) * angles.magnitude for p in positions for f in angles.frequency)
    shape = (len(positions), len(angles.frequency))
    return np.fromiter(values, np.float64, shape[0] * shape[1]).reshape(shape)


def _stretched(hyper: HyperParameters) -> list[float]:
    """How much of each frequency YaRN stretches, 0 to 1."""

    def pair_that_turns(times: float) -> float:
        ratio = hyper.rope_scaling.n_ctx_original / (times * 2.0 * math.pi)
        return hyper.n_rot * math.log(ratio) / (2.0 * math.log(hyper.rope_freq_base))

    low = max(0.0, math.floor(pair_that_turns(FAST)))
    high = min(hyper.n_rot - 1.0, math.ceil(pair_that_turns(SLOW)))
    width = max(0.001, high - low)
    return [min(1.0, max(0.0, (i - low) / width)) for i in range(hyper.n_rot // 2)]
