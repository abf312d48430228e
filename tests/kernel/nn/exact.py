"""The float32 arithmetic of the contract of numbers in NumPy: the fused product-sum, exp, sums."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def fma(a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> Floats:
    """a * b + c rounded once.

    The product of two float32 is exact in float64. The sum is rounded to odd (its error by Knuth's
    two-sum), which leaves enough of it for the last rounding to float32 to be the only one.
    """
    p = np.asarray(a, np.float32).astype(np.float64) * np.asarray(b, np.float32)
    c64 = np.asarray(c, np.float32).astype(np.float64)
    s = p + c64
    t = s - p
    error = (p - (s - t)) + (c64 - t)
    even = (np.atleast_1d(s).view(np.uint64) & np.uint64(1) == 0).reshape(s.shape)
    s = np.where((error != 0) & even, np.nextafter(s, np.copysign(np.inf, error)), s)
    with np.errstate(under="ignore"):
        return s.astype(np.float32)


def exp(x: npt.ArrayLike) -> Floats:
    """exp_f32 step by step."""
    x = np.clip(np.asarray(x, np.float32), np.float32(-87), np.float32(88))
    n = np.rint(x * np.float32(float.fromhex("0x1.715476p+0")))
    r = fma(-n, float.fromhex("0x1.62e4p-1"), x)
    r = fma(-n, float.fromhex("0x1.7f7d1cp-20"), r)
    p = np.full_like(x, float.fromhex("0x1.6a2434p-10"))
    for c in ("0x1.1239e2p-7", "0x1.5558f2p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1"):
        p = fma(p, r, float.fromhex(c))
    result: Floats = np.ldexp(p, n.astype(np.int32)).astype(np.float32)
    return result


def dot(x: Floats, y: Floats) -> np.float32:
    """vec_dot_f32: sixteen lanes."""
    acc = np.zeros(16, np.float32)
    for i in range(len(x)):
        acc[i % 16] = fma(x[i], y[i], acc[i % 16])
    s = (acc[0:4] + acc[4:8]) + (acc[8:12] + acc[12:16])
    return np.float32((s[0] + s[1]) + (s[2] + s[3]))


def lane_sum(p: Floats) -> np.float32:
    """Four lanes i % 4, each in order."""
    lanes = np.zeros(4, np.float32)
    for i in range(len(p)):
        lanes[i % 4] += p[i]
    return np.float32((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
