"""Activations to int8."""

import numpy as np
import pytest

from tests.kernel.nn import exact
from tests.kernel.nn.library import Library

Q8_0 = np.dtype([("d", "<f4"), ("sum", "<i4"), ("q", "i1", 32)])
Q8_K = np.dtype([("d", "<f4"), ("unused", "<u4", 3), ("bsum", "<i2", 16), ("q", "i1", 256)])


def inputs(rng: np.random.Generator) -> exact.Floats:
    """Blocks of all kinds: ordinary, zero, too small to scale, ties, large."""
    x = rng.normal(0, 1, 256 * 8).astype(np.float32)
    x[256:512] = 0
    x[512:768] = 2.0**-101
    x[768:1024] = np.arange(256) % 7 - 3.5
    x[768:1024:32] = 127  # 127 / amax is 1: the halves are ties
    x[1024:1280] *= 1e30
    return x


@pytest.mark.parametrize(("name", "block"), [("quantize_q8_0", Q8_0), ("quantize_q8_k", Q8_K)])
def test_blocks_are_as_defined(
    nn: Library, rng: np.random.Generator, name: str, block: np.dtype[np.void]
) -> None:
    x = inputs(rng)
    size = block["q"].shape[0]
    got = np.zeros(len(x) // size, block)
    nn.call(name, got, x, len(x))

    rows = x.reshape(-1, size)
    amax = np.abs(rows).max(axis=1)
    empty = amax < 2.0**-100
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.where(empty, np.float32(0), np.float32(127) / amax)
    d = np.where(empty, np.float32(0), amax / np.float32(127))
    q = np.rint(rows * inverse[:, None])
    assert np.abs(q).max() == 127
    assert np.array_equal(got["d"], d)
    assert np.array_equal(got["q"], q)
    if size == 32:
        assert np.array_equal(got["sum"], q.sum(axis=1))
    else:
        assert np.array_equal(got["bsum"], q.reshape(-1, 16, 16).sum(axis=2))
    # half a step, and three roundings of a value of up to 127 steps
    error = np.abs(rows.astype(np.float64) - got["d"][:, None].astype(np.float64) * got["q"])
    assert np.all((error <= (0.5 + 3 * 127 * 2.0**-24) * d[:, None]) | empty[:, None])


@pytest.mark.parametrize(("name", "block"), [("quantize_q8_0", Q8_0), ("quantize_q8_k", Q8_K)])
def test_a_nan_becomes_zero(nn: Library, name: str, block: np.dtype[np.void]) -> None:
    x = np.ones(256, np.float32)
    x[3] = np.nan
    got = np.zeros(256 // block["q"].shape[0], block)
    nn.call(name, got, x, 256)
    assert got["q"][0, 3] == 0
    assert got["q"][0, 4] == 127
