"""Exact float32 fused multiply-add in NumPy: one rounding, as fmaf() and NEON's fmla do it."""

from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# A float64 that lies exactly between two neighbouring float32 numbers has its low 28 mantissa bits
# clear: bit 28 is the half for normal results, a higher bit for subnormal ones.
_BELOW_HALF = np.int64((1 << 28) - 1)


def fma_into(acc: F64, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """acc = round_to_float32(a * b + acc), element by element, with one rounding.

    All three hold float32 values in float64 arrays. The product of two 24-bit mantissas has at
    most 48 bits and is exact in float64. The float64 sum is rounded once and the narrowing to
    float32 rounds again; both together equal a single rounding unless the first one landed on a
    midpoint of float32 by discarding something. Those elements (about one in 2^28) are moved by
    one unit towards what was discarded, as rounding to odd would have done.
    """
    product = np.multiply(a, b)
    total = np.add(product, acc)
    tail = np.bitwise_and(total.view(np.int64), _BELOW_HALF)
    if tail.size and np.minimum.reduce(tail, axis=None) == 0:
        _round_to_odd(total, np.broadcast_to(product, total.shape), acc, tail == 0)
    np.copyto(acc, total.astype(np.float32))


def _round_to_odd(total: F64, product: F64, acc: F64, where: npt.NDArray[np.bool_]) -> None:
    s, p, c = total[where], product[where], acc[where]
    c_in_s = s - p  # Knuth's TwoSum: what rounding to float64 discarded, exactly
    discarded = (p - (s - c_in_s)) + (c - c_in_s)
    inexact = np.isfinite(s) & (discarded != 0)
    s[inexact] = np.nextafter(s[inexact], np.copysign(np.inf, discarded[inexact]))
    total[where] = s


def fma(
    a: npt.NDArray[Any] | float, b: npt.NDArray[Any] | float, c: npt.NDArray[Any] | float
) -> F32:
    """float32 a * b + c with one rounding, broadcasting like NumPy's operators."""
    wide = [np.asarray(value, np.float64) for value in (a, b, c)]
    acc = np.array(np.broadcast_arrays(*wide)[2])
    fma_into(acc, wide[0], wide[1])
    return acc.astype(np.float32)


def widen(x: npt.NDArray[Any]) -> F64:
    """The same values in float64, contiguous."""
    return np.ascontiguousarray(x, np.float64)
