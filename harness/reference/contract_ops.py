"""The contract of numbers, operation by operation, in float32: documented order, explicit fma.

The portable C of kernel/nn specifies these; this file is written from the same text, shares no
code with it, and must give the same bits. Arrays are (tokens, n) unless said otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.reference.architecture import Rope
from harness.reference.fma import F32, F64, fma, fma_into, widen

CHUNK = 64  # keys per attention chunk, in absolute positions
_QUERY_BLOCK = 64  # queries computed at once; the result does not depend on it
_EXP_COEFFICIENTS = ("0x1.1239e2p-7", "0x1.5558f2p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1")


def sequential_dot(w: F64, x: F64) -> F32:
    """acc = fma(w[k], x[k], acc), k ascending, from +0. w: (k, rows), x: (tokens, k)."""
    acc = np.zeros((len(x), w.shape[1]))
    columns = np.ascontiguousarray(x.T)[:, :, None]
    for k in range(len(w)):
        fma_into(acc, w[k], columns[k])
    return acc.astype(np.float32)


def vec_dot(x: F32, y: F32) -> F32:
    """Dot product along the last axis in 16 lanes, lanes added pairwise as four 4-lane vectors."""
    n = x.shape[-1]
    x64, y64 = widen(x), widen(y)
    lanes = np.zeros((*x.shape[:-1], 16))
    for i in range(0, n, 16):
        fma_into(lanes[..., : min(16, n - i)], x64[..., i : i + 16], y64[..., i : i + 16])
    v = lanes.astype(np.float32).reshape(*x.shape[:-1], 4, 4)
    s = (v[..., 0, :] + v[..., 1, :]) + (v[..., 2, :] + v[..., 3, :])
    return np.asarray((s[..., 0] + s[..., 1]) + (s[..., 2] + s[..., 3]), np.float32)


def rmsnorm(x: F32, weight: F32, eps: float) -> F32:
    """x / sqrt(mean(x^2) + eps) * weight: scale first, then weight."""
    mean = vec_dot(x, x) / np.float32(x.shape[-1])
    scale = np.float32(1) / np.sqrt(mean + np.float32(eps))
    out: F32 = (x * scale[..., None]) * weight
    return out


def layernorm(x: F32, weight: F32, bias: F32, eps: float) -> F32:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps) * weight + bias; both sums in 16 lanes."""
    n = np.float32(x.shape[-1])
    d = x - (vec_dot(x, np.ones_like(x)) / n)[..., None]
    scale = np.float32(1) / np.sqrt(vec_dot(d, d) / n + np.float32(eps))
    out: F32 = (d * scale[..., None]) * weight + bias
    return out


def exp_f32(x: F32) -> F32:
    """2^n * p(r): Cody-Waite reduction by ln 2 in two parts, polynomial of degree 6."""
    x = np.minimum(np.maximum(x, np.float32(-87)), np.float32(88))
    n = np.rint(x * np.float32(float.fromhex("0x1.715476p+0")))
    r = fma(-n, float.fromhex("0x1.62e4p-1"), x)
    r = fma(-n, float.fromhex("0x1.7f7d1cp-20"), r)
    p = np.full_like(r, float.fromhex("0x1.6a2434p-10"))
    for coefficient in _EXP_COEFFICIENTS:
        p = fma(p, r, float.fromhex(coefficient))
    bits = p.view(np.int32) + (n.astype(np.int32) << 23)
    return np.asarray(bits.view(np.float32))


def silu(x: F32) -> F32:
    """x * sigmoid(x)."""
    return x / (np.float32(1) + exp_f32(-x))


def gelu(x: F32) -> F32:
    """x / (1 + e^-2u), 2u = x * fma(x * x, cube, line): tanh's form, by the same exp."""
    line, cube = float.fromhex("0x1.988454p+0"), float.fromhex("0x1.2444f2p-4")
    return x / (np.float32(1) + exp_f32(-(x * fma(x * x, cube, line))))


def softcap(x: F32, cap: float) -> F32:
    """cap * tanh(x / cap) as cap - 2 cap / (1 + e^(x * (2 / cap)))."""
    c, two = np.float32(cap), np.float32(2)
    return c - two * c / (np.float32(1) + exp_f32(x * (two / c)))


def softmax(x: F32) -> F32:
    """Softmax of one vector; the sum in four lanes."""
    p = exp_f32(x - x.max())
    return p * (np.float32(1) / _sum_lanes_of_4(p))


def _sum_lanes_of_4(p: F32) -> np.float32:
    lanes = np.zeros(4, np.float32)
    for i in range(0, len(p), 4):
        part = p[i : i + 4]
        lanes[: len(part)] += part
    return np.float32((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))


def rope_table(positions: Sequence[int], rope: Rope) -> tuple[F32, F32]:
    """cos and sin of p * frequency, (positions, n_rot/2), computed in float64."""
    angles = [[p * f for f in rope.frequency] for p in positions]
    cos = np.array([[math.cos(a) * rope.magnitude for a in row] for row in angles], np.float64)
    sin = np.array([[math.sin(a) * rope.magnitude for a in row] for row in angles], np.float64)
    return cos.astype(np.float32), sin.astype(np.float32)


def rotate(x: F32, cos: F32, sin: F32, *, halves: bool) -> F32:
    """Rotate the pairs of each head; x: (tokens, heads, head_size); beyond n_rot x passes."""
    n = cos.shape[-1]
    pairs = (slice(0, n), slice(n, 2 * n)) if halves else (slice(0, 2 * n, 2), slice(1, 2 * n, 2))
    first, second = ((..., part) for part in pairs)
    a, b = x[first], x[second]
    c, s = np.broadcast_to(cos[:, None], a.shape), np.broadcast_to(sin[:, None], a.shape)
    out = x.copy()
    out[first] = fma(a, c, -(b * s))
    out[second] = fma(a, s, b * c)
    return out


def attention(
    q: F32, keys: F32, values: F32, pos: int, *, window: int = 0, cap: float = 0.0
) -> F32:
    """Causal attention with an online softmax over chunks of absolute position.

    window: keys that a token sees, itself among them; 0: all. cap: of the scores; 0: none.

    q: (tokens, n_head, head_size) for positions pos.., already scaled; keys and values:
    (n_head_kv, positions, head_size) as the cache holds them. Returns the shape of q.
    """
    blocks = [
        _attend(q[i : i + _QUERY_BLOCK], keys, values, pos + i, window or len(keys[0]), cap)
        for i in range(0, len(q), _QUERY_BLOCK)
    ]
    return np.concatenate(blocks)


def _attend(q: F32, keys: F32, values: F32, pos: int, window: int, cap: float) -> F32:
    n, n_head, head_size = q.shape
    n_head_kv = len(keys)
    q64 = widen(q).reshape(n, n_head_kv, n_head // n_head_kv, head_size)
    m = np.full(q64.shape[:3], -np.inf, np.float32)
    lanes = np.zeros((*m.shape, 4), np.float32)
    o = np.zeros(q64.shape)
    for start in range(max(0, pos + 1 - window) // CHUNK * CHUNK, pos + n, CHUNK):
        stop = min(start + CHUNK, pos + n)
        first = max(0, start - pos)  # earlier queries see no key of this chunk
        k64, v64 = widen(keys[:, start:stop]), widen(values[:, start:stop])
        scores = np.zeros((*m[first:].shape, stop - start))
        for d in range(head_size):
            fma_into(scores, q64[first:, :, :, d, None], k64[None, :, None, :, d])
        s = scores.astype(np.float32)
        if cap:
            s = softcap(s, cap)
        distance = np.arange(pos + first, pos + n)[:, None] - np.arange(start, stop)
        unseen = (distance < 0) | (distance >= window)
        hidden = np.broadcast_to(unseen[:, None, None], s.shape)
        s[hidden] = -np.inf
        new_m = np.maximum(m[first:], s.max(axis=-1))
        # A later query's window may begin behind this chunk: its maximum stays what it is.
        finite = np.where(np.isneginf(new_m), np.float32(0), new_m)
        # exp_f32(0) is exactly 1, so an unchanged maximum needs no case of its own; before the
        # first chunk m is -inf, a is tiny but not 0, and lanes and o are 0.
        a = exp_f32(m[first:] - finite)
        lanes[first:] *= a[..., None]
        o[first:] = (o[first:].astype(np.float32) * a[..., None]).astype(np.float64)
        p = exp_f32(s - finite[..., None])
        p[hidden] = 0  # adding +0 to a lane, which is never -0, changes nothing
        m[first:] = new_m
        for t in range(0, stop - start, 4):
            lanes[first:, :, :, : min(4, stop - start - t)] += p[..., t : t + 4]
        p64 = widen(p)
        for t in range(stop - start):
            # Queries from here on see position start + t, or have passed it: p is 0 then.
            seen = max(first, start + t - pos)
            fma_into(o[seen:], p64[seen - first :, :, :, t, None], v64[None, :, None, t])
    total = (lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
    out: F32 = o.astype(np.float32) * (np.float32(1) / total)[..., None]
    return out.reshape(q.shape)


@dataclass(frozen=True)
class Quantized:
    """x = d * q in blocks along the row; q holds integers."""

    d: F32  # (tokens, blocks)
    q: F32  # (tokens, blocks, block size)


def quantize(x: F32, block_size: int) -> Quantized:
    """q = rint(x * (127 / amax)), d = amax / 127, both float32; a vanishing block becomes zero."""
    block = x.reshape(len(x), -1, block_size)
    amax = np.abs(block).max(axis=-1)
    live = amax >= np.float32(2.0**-100)
    safe = np.where(live, amax, np.float32(1))
    q = np.rint(block * (np.float32(127) / safe)[..., None])
    zero = np.float32(0)
    return Quantized(
        np.where(live, safe / np.float32(127), zero), np.where(live[..., None], q, zero)
    )


@dataclass(frozen=True)
class Activation:
    """A matrix input; each quantised form is made once and shared by the matrices that want it."""

    x: F32

    @cached_property
    def wide(self) -> F64:
        """For F32, F16 and BF16 weights: the activation stays float32."""
        return widen(self.x)

    @cached_property
    def q8_0(self) -> Quantized:
        """Blocks of 32, for weights in such blocks."""
        return quantize(self.x, 32)

    @cached_property
    def q8_k(self) -> Quantized:
        """Blocks of 256, for the k-quants."""
        return quantize(self.x, 256)


def to_kv_type(x: F32, kv_type: str) -> F32:
    """Round to what the KV cache holds. x: (tokens, heads, head_size)."""
    if kv_type == "q8_0":
        return _to_q8_0(x)
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(np.float32) if kv_type == "f16" else x


def _to_q8_0(x: F32) -> F32:
    """Blocks of 32 values of a head, the last one shorter; the scale is a half, d * q exact."""
    tokens, heads, head_size = x.shape
    padded = np.zeros((tokens * heads, -(-head_size // 32) * 32), np.float32)
    padded[:, :head_size] = x.reshape(-1, head_size)
    blocks = quantize(padded, 32)
    with np.errstate(over="ignore"):
        d = blocks.d.astype(np.float16).astype(np.float32)
    values: F32 = (d[..., None] * blocks.q).reshape(tokens, heads, -1)
    return values[..., :head_size]
