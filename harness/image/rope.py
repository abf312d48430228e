"""The blob's table of rope angles."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from harness.gguf import HyperParameters

ROPE_CHUNK_BYTES = 4 << 20


def rope_rows(hyper: HyperParameters, n_ctx: int) -> Iterator[npt.NDArray[np.float32]]:
    """Rows [n_rot/2][2] = (cos, sin) of positions 0 to n_ctx - 1, some positions at a time.

    Angles in float64, rounded once: position 100000 keeps all bits of its angle. By `math`, as in
    the reference: numpy picks its own vector code for these functions by CPU, whose last bits
    differ, so that one model would become another blob elsewhere.
    """
    pairs = hyper.n_rot // 2
    frequency = [math.pow(hyper.rope_freq_base, -2.0 * i / hyper.n_rot) for i in range(pairs)]
    step = max(1, ROPE_CHUNK_BYTES // (8 * max(pairs, 1)))
    for first in range(0, n_ctx, step):
        positions = range(first, min(first + step, n_ctx))
        rows = np.empty((len(positions), pairs, 2), "<f4")
        rows[..., 0] = _of_angles(math.cos, positions, frequency)
        rows[..., 1] = _of_angles(math.sin, positions, frequency)
        yield rows


def _of_angles(
    function: Callable[[float], float], positions: range, frequency: list[float]
) -> npt.NDArray[np.float64]:
    values = (function(p * f) for p in positions for f in frequency)
    count = len(positions) * len(frequency)
    return np.fromiter(values, np.float64, count).reshape(len(positions), len(frequency))
