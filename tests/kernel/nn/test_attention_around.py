"""Attention of whole texts, against the plain formula and the exact definition."""

import numpy as np
import pytest

from tests.kernel.nn.library import Library
from tests.kernel.nn.test_attention import attend_exactly, tile_keys

pytestmark = pytest.mark.slow  # builds programs, or waits

N_HEADS, HEAD_SIZE = 2, 12


@pytest.mark.parametrize("n_keys", [1, 9, 64, 150])
@pytest.mark.parametrize("reach", [0, 5, 40, 70, 1000])
def test_a_token_sees_what_is_within_reach_on_either_side(
    nn: Library, rng: np.random.Generator, n_keys: int, reach: int
) -> None:
    q = rng.normal(0, 1, (n_keys, N_HEADS, HEAD_SIZE)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, n_keys, HEAD_SIZE)).astype(np.float32)
    out, stride = np.zeros_like(q), N_HEADS * HEAD_SIZE
    nn.call(
        "attention_around_f32", out, q, stride, tile_keys(k), v, 0, n_keys, n_keys, N_HEADS,
        HEAD_SIZE, reach,
    )  # fmt: skip
    for t in range(n_keys):
        seen = slice(max(0, t - reach), min(n_keys, t + reach + 1))
        want = [attend_exactly(head, k[: seen.stop], v, seen.start) for head in q[t]]
        assert np.array_equal(out[t], want)
        scores = q[t].astype(np.float64) @ k[seen].T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        # As in test_attention.py; here head_size and keys are few.
        assert np.allclose(out[t], p @ v[seen] / p.sum(axis=1, keepdims=True), atol=1e-5)


def test_some_tokens_see_what_they_see_among_all(nn: Library, rng: np.random.Generator) -> None:
    n = 100
    q = rng.normal(0, 1, (n, N_HEADS, HEAD_SIZE)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, n, HEAD_SIZE)).astype(np.float32)
    keys, stride = tile_keys(k), N_HEADS * HEAD_SIZE
    all_of_them, some = np.zeros_like(q), np.zeros((7, N_HEADS, HEAD_SIZE), np.float32)
    name, sizes = "attention_around_f32", (N_HEADS, HEAD_SIZE, 30)
    nn.call(name, all_of_them, q, stride, keys, v, 0, n, n, *sizes)
    nn.call(name, some, np.ascontiguousarray(q[61:68]), stride, keys, v, 61, n, 7, *sizes)
    assert np.array_equal(some, all_of_them[61:68])
