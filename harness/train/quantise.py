"""float32 rows -> Q8_0, Q4_K and Q6_K blocks.

Q8_0 has one scale per 32 weights and 8 bits each: rounding is all there is to do. The K-quants are
made by search: several grids per sub-block, the best is kept. First each sub-block finds its own
scale (and minimum) by weighted least squares over candidates of rounding. Then the scales
themselves are rounded to 6 or 8 bits of a block-wide d, and what that breaks is repaired: every
sub-block tries the neighbours of its scale, and d is fitted again to the integers found. The error
that is minimised is weighted by rms + |x|, as llama.cpp does without an importance matrix: large
weights carry the larger products. Layouts: ggml-common.h, block_q8_0, block_q4_K and block_q6_K.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Scales = npt.NDArray[np.float32]  # whole numbers, kept as floats while they are searched

QK8_0: Final = 32
QK_K: Final = 256
CHUNK_BLOCKS: Final = 2048  # at a time: half a million weights and their candidates fit the cache
ROUNDS: Final = 3  # of scale and d in turn; a fourth gains less than 0.1 % of the error


def quantise_q8_0(rows: F32) -> U8:
    """(n, n_cols) -> (n, n_cols / 32 * 34): weight = d*q, q -127..127, as ggml rounds them.

    q is rounded by the float32 scale; only then is the scale rounded to the half that is stored.
    """
    n, n_cols = rows.shape
    assert n_cols % QK8_0 == 0, n_cols
    x = np.ascontiguousarray(rows, np.float32).reshape(-1, QK8_0)
    d = np.abs(x).max(1, keepdims=True) / np.float32(127)
    usable = d > np.float32(2.0**-127)  # of a smaller one float32 has no reciprocal
    scaled = x * np.where(usable, 1 / np.where(usable, d, 1), 0).astype(np.float32)
    whole = np.trunc(scaled)
    q = whole + np.trunc(2 * (scaled - whole))  # halves away from zero, where rint goes to even
    out = np.empty((len(x), 2 + QK8_0), np.uint8)
    out[:, :2], out[:, 2:] = _bytes(d), q.astype(np.int8).view(np.uint8)
    return out.reshape(n, -1)


def quantise_q4_k(rows: F32) -> U8:
    """(n, n_cols) -> (n, n_cols / 256 * 144): weight = d*sc*q - dmin*mn, q 0..15, sc mn 0..63."""
    return _by_chunks(rows, _q4_k, 144)


def quantise_q6_k(rows: F32) -> U8:
    """(n, n_cols) -> (n, n_cols / 256 * 210): weight = d*sc*(q - 32), q 0..63, sc -128..127."""
    return _by_chunks(rows, _q6_k, 210)


def _by_chunks(rows: F32, quantise: Callable[[F32], U8], block_bytes: int) -> U8:
    n, n_cols = rows.shape
    assert n_cols % QK_K == 0, n_cols
    blocks = np.ascontiguousarray(rows, np.float32).reshape(-1, QK_K)
    out = np.empty((len(blocks), block_bytes), np.uint8)
    for at in range(0, len(blocks), CHUNK_BLOCKS):
        out[at : at + CHUNK_BLOCKS] = quantise(blocks[at : at + CHUNK_BLOCKS])
    return out.reshape(n, -1)


def _q4_k(blocks: F32) -> U8:
    x = blocks.reshape(-1, 8, 32)
    w = _importance(x)
    scale, minimum = _fit_affine(x, w)
    d, dmin = _half(scale.max(1) / 63), _half(minimum.max(1) / 63)
    sc, mn = _rounded(scale, d, 0, 63), _rounded(minimum, dmin, 0, 63)
    for _ in range(ROUNDS):
        sc, mn = _neighbours_q4_k(x, w, d, dmin, sc, mn)
        d, dmin = _refit_q4_k(x, w, d, dmin, sc, mn)
    q = _levels_q4_k(x, d, dmin, sc, mn).astype(np.uint8)
    s, m = sc.astype(np.uint8), mn.astype(np.uint8)
    out = np.empty((len(x), 144), np.uint8)
    out[:, 0:2], out[:, 2:4] = _bytes(d), _bytes(dmin)
    out[:, 4:8] = s[:, :4] | s[:, 4:] >> 4 << 6
    out[:, 8:12] = m[:, :4] | m[:, 4:] >> 4 << 6
    out[:, 12:16] = s[:, 4:] & 15 | (m[:, 4:] & 15) << 4
    pairs = q.reshape(-1, 4, 2, 32)
    out[:, 16:] = (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)
    return out


def _importance(x: F32) -> F32:
    rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True))
    return np.asarray(rms + np.abs(x), np.float32)


def _fit_affine(x: F32, w: F32) -> tuple[F32, F32]:
    """Scale and minimum (>= 0) of each sub-block: x ~ scale * q - minimum, q 0..15."""
    low = np.minimum(x.min(-1), 0)
    span = np.maximum(x.max(-1), 0) - low
    safe = np.where(span > 0, span, 1)
    best_error = np.full(span.shape, np.inf, np.float32)
    best_scale, best_min = safe / 15, -low
    sw, sx, sxx = w.sum(-1), (w * x).sum(-1), (w * x * x).sum(-1)
    for levels in np.arange(13.0, 17.01, 0.2, dtype=np.float32):
        # Fewer than 15 levels leaves the ends of the grid empty, more clips the extremes.
        q = np.clip(np.rint((x - low[..., None]) * (levels / safe)[..., None]), 0, 15)
        wq = w * q
        sq, sqq, sxq = wq.sum(-1), (wq * q).sum(-1), (wq * x).sum(-1)
        determinant = sw * sqq - sq * sq
        ok = determinant > 1e-12 * sw * sqq
        scale = np.where(ok, (sw * sxq - sx * sq) / np.where(ok, determinant, 1), 0)
        minimum = np.where(ok, (scale * sq - sx) / sw, 0) if sw.all() else np.zeros_like(scale)
        # A minimum below zero cannot be stored: the best grid through zero instead.
        through_zero = sxq / np.where(sqq > 0, sqq, 1)
        scale = np.where(minimum < 0, through_zero, scale)
        minimum = np.maximum(minimum, 0)
        error = (
            sxx + scale * scale * sqq + minimum * minimum * sw
            - 2 * scale * sxq + 2 * minimum * sx - 2 * scale * minimum * sq
        )  # fmt: skip
        better = ok & (scale > 0) & (error < best_error)
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best_min = np.where(better, minimum, best_min)
    flat = span <= 0
    return np.where(flat, 0, best_scale), np.where(flat, 0, best_min)


def _levels_q4_k(x: F32, d: F32, dmin: F32, sc: Scales, mn: Scales) -> F32:
    scale, minimum = (d[:, None] * sc)[..., None], (dmin[:, None] * mn)[..., None]
    q = np.rint((x + minimum) / np.where(scale > 0, scale, 1))
    return np.where(scale > 0, np.clip(q, 0, 15), 0).astype(np.float32)


def _neighbours_q4_k(
    x: F32, w: F32, d: F32, dmin: F32, sc: Scales, mn: Scales
) -> tuple[Scales, Scales]:
    """Each sub-block's best (sc, mn) among the nine around the present one."""
    best = np.full(sc.shape, np.inf, np.float32)
    best_sc, best_mn = sc, mn
    for step_sc in (0, -1, 1):
        for step_mn in (0, -1, 1):
            s, m = np.clip(sc + step_sc, 0, 63), np.clip(mn + step_mn, 0, 63)
            q = _levels_q4_k(x, d, dmin, s, m)
            miss = (d[:, None] * s)[..., None] * q - (dmin[:, None] * m)[..., None] - x
            error = (w * miss * miss).sum(-1)
            better = error < best
            best = np.where(better, error, best)
            best_sc, best_mn = np.where(better, s, best_sc), np.where(better, m, best_mn)
    return best_sc, best_mn


def _refit_q4_k(x: F32, w: F32, d: F32, dmin: F32, sc: Scales, mn: Scales) -> tuple[F32, F32]:
    """d and dmin of each block by least squares, the integers being fixed; kept only if better."""
    q = _levels_q4_k(x, d, dmin, sc, mn)
    a = (sc[..., None] * q).astype(np.float64)
    b = np.broadcast_to(mn[..., None], x.shape).astype(np.float64)
    axes = (1, 2)
    aa, bb, ab = (w * a * a).sum(axes), (w * b * b).sum(axes), (w * a * b).sum(axes)
    ax, bx = (w * a * x).sum(axes), (w * b * x).sum(axes)
    determinant = aa * bb - ab * ab
    ok = determinant > 1e-9 * aa * bb
    safe = np.where(ok, determinant, 1)
    new_d = _half(np.where(ok, (ax * bb - bx * ab) / safe, d))
    new_dmin = _half(np.where(ok, (ax * ab - bx * aa) / safe, dmin))

    def error(d: F32, dmin: F32) -> npt.NDArray[np.float64]:
        miss = d[:, None, None] * a - dmin[:, None, None] * b - x
        total: npt.NDArray[np.float64] = (w * miss * miss).sum(axes)
        return total

    better = ok & (new_d > 0) & (new_dmin >= 0) & (error(new_d, new_dmin) < error(d, dmin))
    return np.where(better, new_d, d), np.where(better, new_dmin, dmin)


def _q6_k(blocks: F32) -> U8:
    x = blocks.reshape(-1, 16, 16)
    w = _importance(x)
    scale = _fit_symmetric(x, w)
    widest = np.take_along_axis(scale, np.abs(scale).argmax(1)[:, None], 1)[:, 0]
    d = _half(widest / -128)  # the widest scale becomes -128: the longer side of int8
    sc = _rounded(scale, d, -128, 127)
    for _ in range(ROUNDS):
        sc = _neighbours_q6_k(x, w, d, sc)
        d = _refit_q6_k(x, w, d, sc)
    q = (_levels_q6_k(x, d, sc) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)
    out = np.empty((len(x), 210), np.uint8)
    low = q & 15
    out[:, :128] = np.concatenate([low[:, :, 0:2] | low[:, :, 2:4] << 4], axis=2).reshape(-1, 128)
    shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    out[:, 128:192] = np.bitwise_or.reduce((q >> 4) << shifts, axis=2).reshape(-1, 64)
    out[:, 192:208] = sc.astype(np.int8).view(np.uint8)
    out[:, 208:] = _bytes(d)
    return out


def _fit_symmetric(x: F32, w: F32) -> F32:
    """The scale of each sub-block, of either sign: x ~ scale * q, q -32..31."""
    at = np.abs(x).argmax(-1)[..., None]
    extreme = np.take_along_axis(x, at, -1)[..., 0]
    safe = np.where(extreme == 0, 1, extreme)
    best_gain = np.full(safe.shape, -np.inf, np.float32)
    best = safe / -32
    for levels in np.arange(30.0, 34.01, 0.2, dtype=np.float32):
        q = np.clip(np.rint(x * (-levels / safe)[..., None]), -32, 31)
        wq = w * q
        sxq, sqq = (wq * x).sum(-1), (wq * q).sum(-1)
        # The best scale is sxq/sqq, and it takes sxq^2/sqq off the error.
        gain = sxq * sxq / np.where(sqq > 0, sqq, 1)
        better = (sqq > 0) & (gain > best_gain)
        best_gain = np.where(better, gain, best_gain)
        best = np.where(better, sxq / np.where(sqq > 0, sqq, 1), best)
    return np.where(extreme == 0, 0, best).astype(np.float32)


def _levels_q6_k(x: F32, d: F32, sc: Scales) -> F32:
    scale = (d[:, None] * sc)[..., None]
    q = np.rint(x / np.where(scale != 0, scale, 1))
    return np.where(scale != 0, np.clip(q, -32, 31), 0).astype(np.float32)


def _neighbours_q6_k(x: F32, w: F32, d: F32, sc: Scales) -> Scales:
    best = np.full(sc.shape, np.inf, np.float32)
    best_sc = sc
    for step in (0, -1, 1, -2, 2):
        s = np.clip(sc + step, -128, 127)
        miss = (d[:, None] * s)[..., None] * _levels_q6_k(x, d, s) - x
        error = (w * miss * miss).sum(-1)
        better = error < best
        best, best_sc = np.where(better, error, best), np.where(better, s, best_sc)
    return best_sc


def _refit_q6_k(x: F32, w: F32, d: F32, sc: Scales) -> F32:
    a = (sc[..., None] * _levels_q6_k(x, d, sc)).astype(np.float64)
    aa, ax = (w * a * a).sum((1, 2)), (w * a * x).sum((1, 2))
    new = _half(np.where(aa > 0, ax / np.where(aa > 0, aa, 1), d))

    def error(d: F32) -> npt.NDArray[np.float64]:
        miss = d[:, None, None] * a - x
        total: npt.NDArray[np.float64] = (w * miss * miss).sum((1, 2))
        return total

    return np.where((new != 0) & (error(new) < error(d)), new, d)


def _rounded(values: F32, unit: F32, low: int, high: int) -> Scales:
    safe = np.where(unit != 0, unit, 1)[:, None]
    return np.clip(np.rint(values / safe), low, high).astype(np.float32)


def _half(values: npt.NDArray[np.floating]) -> F32:
    """As stored: rounded to IEEE half, and back."""
    return values.astype(np.float16).astype(np.float32)


def _bytes(values: F32) -> U8:
    return values.astype("<f2").view(np.uint8).reshape(-1, 2)
