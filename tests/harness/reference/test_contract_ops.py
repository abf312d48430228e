"""Vectorised operations against the contract's sentences, written as scalar loops."""

import math

import numpy as np
import pytest

from harness.reference.architecture import Rope
from harness.reference.contract_ops import (
    attention,
    exp_f32,
    quantize,
    rmsnorm,
    rope_table,
    rotate,
    sequential_dot,
    silu,
    softmax,
    to_kv_type,
    vec_dot,
)
from harness.reference.fma import F32, fma, widen

RNG = np.random.default_rng(4)


def normal(*shape: int) -> F32:
    return RNG.normal(size=shape).astype(np.float32)


def fma1(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    return np.float32(fma(np.atleast_1d(a), np.atleast_1d(b), np.atleast_1d(c))[0])


def exp1(x: np.float32) -> np.float32:
    return np.float32(exp_f32(np.atleast_1d(np.float32(x)))[0])


def test_exp_stays_within_its_relative_error() -> None:
    x = np.concatenate([RNG.uniform(-87, 88, 400_000), RNG.uniform(-1, 1, 100_000)])
    x32 = x.astype(np.float32)
    exact = np.exp(x32.astype(np.float64))
    assert np.abs(exp_f32(x32) / exact - 1).max() < 7.8e-8


def test_exp_of_zero_is_exactly_one_and_far_arguments_saturate() -> None:
    ends = exp_f32(np.array([0.0, -0.0, -87.0, -1e30, -np.inf, 88.0, 1e30], np.float32))
    assert ends[0] == ends[1] == 1
    assert ends[2] == ends[3] == ends[4] > 0
    assert ends[5] == ends[6] < np.inf


@pytest.mark.parametrize("n", [0, 1, 5, 16, 31, 64, 67])
def test_vec_dot_has_sixteen_lanes_in_the_documented_order(n: int) -> None:
    x, y = normal(n), normal(n)
    acc = [np.float32(0)] * 16
    for i in range(n):
        acc[i % 16] = fma1(x[i], y[i], acc[i % 16])
    s = [(acc[j] + acc[4 + j]) + (acc[8 + j] + acc[12 + j]) for j in range(4)]
    assert vec_dot(x[None], y[None])[0] == (s[0] + s[1]) + (s[2] + s[3])


def test_sequential_dot_is_one_chain_over_k() -> None:
    w, x = normal(40, 3), normal(2, 40)
    got = sequential_dot(widen(w), widen(x))
    for token in range(2):
        for row in range(3):
            acc = np.float32(0)
            for k in range(40):
                acc = fma1(w[k, row], x[token, k], acc)
            assert got[token, row] == acc


def test_rmsnorm_scales_before_it_weighs() -> None:
    x, w = normal(1, 20), normal(20)
    mean = vec_dot(x, x)[0] / np.float32(20)
    scale = np.float32(1) / np.sqrt(np.float32(mean + np.float32(1e-5)))
    assert np.array_equal(rmsnorm(x, w, 1e-5)[0], (x[0] * scale) * w)


def test_silu_is_x_times_sigmoid() -> None:
    x = normal(1000) * np.float32(5)
    exact = x / (1 + np.exp(-x.astype(np.float64)))
    assert np.allclose(silu(x), exact, rtol=3e-7, atol=0)


def test_softmax_sums_to_one_and_ignores_a_shift() -> None:
    x = normal(37)
    p = softmax(x)
    assert abs(float(p.sum()) - 1) < 1e-6
    assert p.argmax() == x.argmax()


@pytest.mark.parametrize("halves", [False, True])
def test_rope_rotates_its_pairs_and_passes_the_rest(halves: bool) -> None:
    x = normal(2, 3, 8)
    cos, sin = rope_table([5, 6], Rope((1.0, 0.01), 0.5, halves))
    out = rotate(x, cos, sin, halves=halves)
    assert np.array_equal(out[..., 4:], x[..., 4:])
    for token in range(2):
        for i in range(2):
            first, second = (i, 2 + i) if halves else (2 * i, 2 * i + 1)
            a, b = x[token, 1, first], x[token, 1, second]
            theta = (5 + token) * (1.0, 0.01)[i]
            c, s = np.float32(0.5 * math.cos(theta)), np.float32(0.5 * math.sin(theta))
            assert out[token, 1, first] == fma1(a, c, -(b * s))
            assert out[token, 1, second] == fma1(a, s, b * c)


def attend_one(q: F32, keys: F32, values: F32) -> F32:
    """The contract's attention for one query head over all given keys, one scalar at a time."""
    m = np.float32(-np.inf)
    lanes, o = [np.float32(0)] * 4, [np.float32(0)] * len(q)
    for start in range(0, len(keys), 64):
        scores = []
        for key in keys[start : start + 64]:
            s = np.float32(0)
            for d in range(len(q)):
                s = fma1(q[d], key[d], s)
            scores.append(s)
        new_m = max([m, *scores])
        if start and new_m != m:
            a = exp1(m - new_m)
            lanes, o = [lane * a for lane in lanes], [x * a for x in o]
        m = new_m
        for i, s in enumerate(scores):
            p = exp1(s - m)
            lanes[i % 4] = lanes[i % 4] + p
            o = [fma1(p, values[start + i, d], o[d]) for d in range(len(q))]
    inv = np.float32(1) / ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
    return np.array([x * inv for x in o], np.float32)


def test_attention_is_the_chunked_online_softmax() -> None:
    n_head, n_head_kv, size, n_keys = 4, 2, 4, 131  # two whole chunks and three keys
    keys, values = normal(n_head_kv, n_keys, size), normal(n_head_kv, n_keys, size)
    q = normal(3, n_head, size) * np.float32(2)
    got = attention(q, keys, values, n_keys - 3)  # queries at positions 128, 129, 130
    for token in range(3):
        seen = n_keys - 2 + token
        for head in range(n_head):
            kv = head // (n_head // n_head_kv)
            wanted = attend_one(q[token, head], keys[kv, :seen], values[kv, :seen])
            assert np.array_equal(got[token, head], wanted)


def test_quantize_rounds_ties_to_even_and_reaches_127() -> None:
    x = np.zeros((1, 64), np.float32)
    x[0, :4] = [127, 2.5, -3.5, -127]  # amax 127: id = 1, so q = rint(x)
    block = quantize(x, 32)
    assert block.q[0, 0, :4].tolist() == [127, 2, -4, -127]
    assert block.d[0].tolist() == [1, 0]  # the second block is all zero


def test_a_vanishing_block_becomes_zero() -> None:
    block = quantize(np.full((1, 32), 2.0**-101, np.float32), 32)
    assert block.d[0, 0] == 0
    assert not block.q.any()


def test_kv_type_rounds_halves_to_even() -> None:
    x = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, 1e-7], np.float32)
    assert to_kv_type(x, "f16").tolist() == [1, 1 + 2.0**-9, float(np.float16(1e-7))]
    assert np.array_equal(to_kv_type(x, "f32"), x)


def test_q8_0_keys_and_values_are_int8_times_a_half_in_blocks_of_a_head() -> None:
    x = np.random.default_rng(5).normal(0, 3, (3, 2, 44)).astype(np.float32)
    x[1, 1, 32:] = 0
    stored = to_kv_type(x, "q8_0")
    for block in (slice(0, 32), slice(32, 44)):
        amax = np.abs(x[..., block]).max(axis=-1, keepdims=True)
        d = (amax / np.float32(127)).astype(np.float16).astype(np.float32)
        q = stored[..., block] / np.where(d > 0, d, 1)
        assert np.array_equal(q, np.rint(q))
        assert np.array_equal(np.abs(q).max(axis=-1), np.where(amax > 0, 127, 0)[..., 0])
        # Half a step, and the half's rounding of up to 127 steps.
        assert np.all(np.abs(stored[..., block] - x[..., block]) <= amax * (1 / 254 + 2.0**-11))
