"""Layer norm, against the plain formula and the exact definition."""

import numpy as np
import pytest

from tests.kernel.nn import exact
from tests.kernel.nn.library import Library

EPS = 2.0**-24  # one rounding of float32, relative


@pytest.mark.parametrize("n", [1, 3, 16, 17, 64, 200, 384])
def test_layer_norm_is_exactly_its_definition_and_near_the_formula(
    nn: Library, rng: np.random.Generator, n: int
) -> None:
    x, w, b = (rng.normal(0.5, 2, n).astype(np.float32) for _ in range(3))
    out = np.zeros(n, np.float32)
    nn.call("layernorm", out, x, w, b, n, np.float32(1e-6))
    mean = exact.dot(x, np.ones(n, np.float32)) / np.float32(n)
    d = x - mean
    scale = np.float32(1) / np.sqrt(exact.dot(d, d) / np.float32(n) + np.float32(1e-6))
    assert np.array_equal(out, (d * scale) * w + b)
    x64 = x.astype(np.float64)
    want = (x64 - x64.mean()) / np.sqrt(x64.var() + 1e-6) * w + b
    # The mean errs by n / 16 + 6 roundings of sum |x| / n, which d keeps and the variance halves;
    # after it four roundings of the result. One value has no variance: d is 0, or that error.
    error = (n / 16 + 6) * EPS * np.abs(x64).mean()
    limit = 4 * error / np.sqrt(x64.var() + 1e-6) * np.abs(w) + 8 * EPS * (np.abs(want) + np.abs(b))
    assert np.all(np.abs(out - want) <= limit + 4 * (n / 16 + 8) * EPS * np.abs(want))


def test_layer_norm_in_place(nn: Library, rng: np.random.Generator) -> None:
    x, w, b = (rng.normal(0, 1, 50).astype(np.float32) for _ in range(3))
    apart = np.zeros(50, np.float32)
    nn.call("layernorm", apart, x, w, b, 50, np.float32(1e-12))
    nn.call("layernorm", x, x, w, b, 50, np.float32(1e-12))
    assert np.array_equal(x, apart)
