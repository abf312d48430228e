"""Attention over the tiled K cache, against the plain formula and the exact definition."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernel.nn import exact
from tests.kernel.nn.library import Library

pytestmark = pytest.mark.slow  # builds programs

EPS = 2.0**-24
TILE, CHUNK = 8, 64

# (n_keys, n_heads, head_size): partial tiles, several chunks, heads per kv head
SHAPES = [
    (1, 1, 2),
    (5, 2, 8),
    (8, 1, 10),
    (63, 3, 16),
    (64, 8, 4),
    (65, 2, 6),
    (200, 2, 64),
    (70, 2, 80),
]


def tile_keys(k: exact.Floats) -> exact.Floats:
    """(n_keys, head_size) -> [tile][head_size][8], NaN where there is no key."""
    padding = ((0, -len(k) % TILE), (0, 0))
    padded = np.pad(k, padding, constant_values=np.nan)
    return np.ascontiguousarray(padded.reshape(-1, TILE, k.shape[1]).swapaxes(1, 2))


def rounded_q8_0(x: exact.Floats) -> tuple[exact.Floats, npt.NDArray[np.float16]]:
    """(n, head_size) -> q and the scales (n, blocks of 32, the last one shorter)."""
    parts = [x[:, i : i + 32] for i in range(0, x.shape[1], 32)]
    d = np.stack([np.abs(part).max(axis=1) / np.float32(127) for part in parts], axis=1)
    q = [np.rint(part / d[:, i : i + 1]) for i, part in enumerate(parts)]
    return np.concatenate(q, axis=1).astype(np.float32), d.astype(np.float16)


def stored_q8_0(
    k: exact.Floats, v: exact.Floats
) -> tuple[bytes, bytes, exact.Floats, exact.Floats]:
    """Both caches, scales before elements, and what they stand for."""
    (k_q, k_d), (v_q, v_d) = rounded_q8_0(k), rounded_q8_0(v)
    spread = np.arange(k.shape[1]) // 32
    tiles = zip(tile_keys(k_d.astype(np.float32)), tile_keys(k_q), strict=True)
    with np.errstate(invalid="ignore"):  # no key, no number
        k_cache = [d.astype(np.float16).tobytes() + q.astype(np.int8).tobytes() for d, q in tiles]
    v_cache = [d.tobytes() + q.astype(np.int8).tobytes() for d, q in zip(v_d, v_q, strict=True)]
    values = [q * d.astype(np.float32)[:, spread] for q, d in ((k_q, k_d), (v_q, v_d))]
    return b"".join(k_cache), b"".join(v_cache), values[0], values[1]


def attend_exactly(
    q: exact.Floats, k: exact.Floats, v: exact.Floats, seen_from: int = 0, cap: float = 0.0
) -> exact.Floats:
    """One head that sees keys seen_from.., as the contract of numbers writes it."""
    m, lanes, o = np.float32(0), np.zeros(4, np.float32), np.zeros(v.shape[1], np.float32)
    start = seen_from // CHUNK * CHUNK
    for chunk in range(start, len(k), CHUNK):
        at = np.arange(max(chunk, seen_from), min(chunk + CHUNK, len(k)))
        s = np.zeros(len(at), np.float32)
        for d in range(len(q)):
            s = exact.fma(q[d], k[at, d], s)
        if cap:
            c, two = np.float32(cap), np.float32(2)
            s = c - two * c / (np.float32(1) + exact.exp(s * (two / c)))
        new_m = s.max() if chunk == start else max(m, s.max())
        if chunk > start and new_m != m:
            a = exact.exp(m - new_m)
            lanes, o = lanes * a, o * a
        m = new_m
        p = exact.exp(s - m)
        for t, weight in zip(at, p, strict=True):
            lanes[t % 4] += weight
            o = exact.fma(weight, v[t], o)
    inverse = np.float32(1) / ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
    out: exact.Floats = o * inverse
    return out


@pytest.mark.parametrize("kv_type", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize(("n_keys", "n_heads", "head_size"), SHAPES)
def test_attention_is_the_online_softmax_over_the_keys(
    nn: Library,
    rng: np.random.Generator,
    n_keys: int,
    n_heads: int,
    head_size: int,
    kv_type: str,
) -> None:
    q = rng.normal(0, 2 / np.sqrt(head_size), (n_heads, head_size)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, n_keys, head_size)).astype(np.float32)
    k *= np.linspace(0.5, 1.5, n_keys, dtype=np.float32)[:, None]  # the maximum moves
    if kv_type == "q8_0":
        k_cache, v_cache, k, v = stored_q8_0(k, v)
    else:
        stored = np.float16 if kv_type == "f16" else np.float32
        k_cache, v_cache = tile_keys(k).astype(stored).tobytes(), v.astype(stored).tobytes()
        k, v = k.astype(stored).astype(np.float32), v.astype(stored).astype(np.float32)

    out = np.zeros_like(q)
    caches = [np.frombuffer(cache, np.uint8) for cache in (k_cache, v_cache)]
    nn.call(f"attention_{kv_type}", out, q, q.size, *caches, n_keys, 1, n_heads, head_size)

    assert np.array_equal(out, [attend_exactly(head, k, v) for head in q])
    scores = q.astype(np.float64) @ k.T.astype(np.float64)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    want = p @ v / p.sum(axis=1, keepdims=True)
    # Scores err by head_size roundings of sum |q k|, which exp turns relative; then the two sums.
    magnitude = float(np.max(np.abs(q) @ np.abs(k.T)))
    relative = 2 * ((head_size + 2) * EPS * magnitude + 2e-7) + 2 * (n_keys + 4) * EPS
    assert np.max(np.abs(out - want)) <= relative * np.abs(v).max()


@pytest.mark.parametrize("kv_type", ["f32", "f16"])
def test_tokens_together_see_what_each_sees_alone(
    nn: Library, rng: np.random.Generator, kv_type: str
) -> None:
    n_keys, n_tokens, n_heads, head_size = 60, 9, 3, 12  # the last of them in the second chunk
    stored = np.float16 if kv_type == "f16" else np.float32
    k, v = rng.normal(0, 1, (2, n_keys + n_tokens - 1, head_size)).astype(stored)
    q = rng.normal(0, 1, (n_tokens, n_heads, head_size)).astype(np.float32)
    cache = tile_keys(k.astype(np.float32)).astype(stored)
    together, alone = np.zeros_like(q), np.zeros_like(q)
    stride, name = n_heads * head_size, f"attention_{kv_type}"
    nn.call(name, together, q, stride, cache, v, n_keys, n_tokens, n_heads, head_size)
    for t in range(n_tokens):
        nn.call(name, alone[t], q[t], stride, cache, v, n_keys + t, 1, n_heads, head_size)
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("window", [1, 8, 10, 64, 100, 200])
@pytest.mark.parametrize("cap", [0.0, 3.0])
def test_a_window_is_the_last_keys_and_a_cap_bounds_the_scores(
    nn: Library, rng: np.random.Generator, window: int, cap: float
) -> None:
    n_keys, n_tokens, n_heads, head_size = 124, 9, 2, 12  # windows begin in one chunk or another
    q = rng.normal(0, 1, (n_tokens, n_heads, head_size)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, n_keys + n_tokens - 1, head_size)).astype(np.float32)
    out = np.zeros_like(q)
    nn.call(
        "attention_window_f32", out, q, n_heads * head_size, tile_keys(k), v, n_keys, n_tokens,
        n_heads, head_size, window, np.float32(cap),
    )  # fmt: skip
    for t in range(n_tokens):
        seen = slice(max(0, n_keys + t - window), n_keys + t)
        want = [attend_exactly(head, k[: seen.stop], v, seen.start, cap) for head in q[t]]
        assert np.array_equal(out[t], want)
        scores = q[t].astype(np.float64) @ k[seen].T
        scores = cap * np.tanh(scores / cap) if cap else scores
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        assert np.allclose(out[t], p @ v[seen] / p.sum(axis=1, keepdims=True), atol=1e-5)
