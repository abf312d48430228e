"""Element-wise operations, the dot product, RMS norm, softmax and RoPE."""

import numpy as np
import pytest

from tests.kernel.nn import exact
from tests.kernel.nn.library import Library

EPS = 2.0**-24  # one rounding of float32, relative
LENGTHS = [1, 3, 4, 15, 16, 17, 37, 64, 200]


@pytest.fixture(params=LENGTHS)
def n(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def normal(rng: np.random.Generator, *shape: int) -> exact.Floats:
    return rng.normal(0, 2, shape).astype(np.float32)


def test_dot_sums_sixteen_lanes(nn: Library, rng: np.random.Generator, n: int) -> None:
    x, y = normal(rng, n), normal(rng, n)
    got = nn.float_of("vec_dot_f32", x, y, n)
    assert got == exact.dot(x, y)
    products = x.astype(np.float64) * y
    # at most n / 16 + 5 roundings on the way of any product
    assert abs(got - products.sum()) <= (n / 16 + 6) * EPS * np.abs(products).sum()


def test_dot_of_nothing_is_zero(nn: Library) -> None:
    x = np.zeros(1, np.float32)
    assert nn.float_of("vec_dot_f32", x, x, 0) == 0


def test_add_mul_scale_round_once(nn: Library, rng: np.random.Generator, n: int) -> None:
    x, y, out = normal(rng, n), normal(rng, n), np.zeros(n, np.float32)
    nn.call("vec_add", out, x, y, n)
    assert np.array_equal(out, x + y)
    nn.call("vec_mul", out, x, y, n)
    assert np.array_equal(out, x * y)
    nn.call("vec_scale", out, x, np.float32(0.1), n)
    assert np.array_equal(out, x * np.float32(0.1))


def test_silu_is_near_the_exact_and_rounds_in_its_order(
    nn: Library, rng: np.random.Generator, n: int
) -> None:
    x, out = 5 * normal(rng, n), np.zeros(n, np.float32)
    nn.call("vec_silu", out, x, n)
    assert np.array_equal(out, x / (np.float32(1) + exact.exp(-x)))
    want = x / (1 + np.exp(-x.astype(np.float64)))
    assert np.max(np.abs(out / want - 1)) <= 1e-7 + 2 * EPS  # exp, the sum, the quotient


def test_rmsnorm_is_near_the_exact_and_rounds_in_its_order(
    nn: Library, rng: np.random.Generator, n: int
) -> None:
    x, w, out = normal(rng, n), normal(rng, n), np.zeros(n, np.float32)
    nn.call("rmsnorm", out, x, w, n, 0, n, 1e-5)
    want = x / np.sqrt(np.mean(x.astype(np.float64) ** 2) + 1e-5) * w
    # half the error of the mean (n / 16 + 6), and five roundings
    assert np.max(np.abs(out / want - 1)) <= ((n / 16 + 6) / 2 + 6) * EPS
    root = np.sqrt(exact.dot(x, x) / np.float32(n) + np.float32(1e-5))
    assert np.array_equal(out, x * (np.float32(1) / root) * w)


def test_softmax_is_near_the_exact_and_rounds_in_its_order(
    nn: Library, rng: np.random.Generator, n: int
) -> None:
    x = 3 * normal(rng, n)
    got = x.copy()
    nn.call("softmax", got, n)
    p = exact.exp(x - x.max())
    assert np.array_equal(got, p * (np.float32(1) / exact.lane_sum(p)))
    want = np.exp(x.astype(np.float64) - x.max())
    want /= want.sum()
    # x - max is rounded: its absolute error is the relative one of exp
    error = 2e-7 + (n / 4 + 5) * EPS + EPS * float(np.max(np.abs(x - x.max())))
    assert np.max(np.abs(got / want - 1)) <= error


@pytest.mark.parametrize(
    ("n_heads", "head_size", "n_rot"), [(1, 2, 2), (3, 8, 8), (2, 20, 14), (5, 64, 64), (2, 96, 32)]
)
@pytest.mark.parametrize("name", ["rope", "rope_halves"])
def test_rope_rotates_pairs(
    nn: Library, rng: np.random.Generator, name: str, n_heads: int, head_size: int, n_rot: int
) -> None:
    x = normal(rng, n_heads, head_size)
    angle = rng.uniform(-9, 9, n_rot // 2)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    got = x.copy()
    nn.call(name, got, np.stack([cos, sin], axis=1), n_heads, head_size, n_rot)

    half = n_rot // 2
    order = [*range(0, n_rot, 2), *range(1, n_rot, 2)] if name == "rope" else [*range(n_rot)]
    (a, b), (a_got, b_got) = ((v[:, order[:half]], v[:, order[half:]]) for v in (x, got))
    assert np.array_equal(a_got, exact.fma(a, cos, -(b * sin)))
    assert np.array_equal(b_got, exact.fma(a, sin, b * cos))
    assert np.array_equal(got[:, n_rot:], x[:, n_rot:])
    rotated = (a + 1j * b) * np.exp(1j * angle)
    error = np.abs(a_got + 1j * b_got - rotated)
    assert np.all(error <= 4 * EPS * np.abs(rotated))  # table, product, sum, in each part


def test_gelu_is_near_the_exact_and_rounds_in_its_order(
    nn: Library, rng: np.random.Generator, n: int
) -> None:
    x, out = 2 * normal(rng, n), np.zeros(n, np.float32)
    nn.call("vec_gelu", out, x, n)
    line, cube = (float(np.float32(2 * np.sqrt(2 / np.pi) * c)) for c in (1.0, 0.044715))
    u2 = x * exact.fma(x * x, cube, line)
    assert np.array_equal(out, x / (np.float32(1) + exact.exp(-u2)))
    wide = x.astype(np.float64)
    tanh = np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3))
    # u2 has four roundings, which e^-u2 turns relative. Where tanh is near -1, its own last bit.
    error = np.abs(out) * (4 * EPS * np.abs(u2) + 1e-7 + 3 * EPS) + np.abs(wide) * 2.0**-52
    assert np.all(np.abs(out - wide / 2 * (1 + tanh)) <= error)


@pytest.mark.parametrize("cap", [0.5, 30.0, 50.0])
def test_softcap_is_near_the_exact_and_rounds_in_its_order(
    nn: Library, rng: np.random.Generator, n: int, cap: float
) -> None:
    x, out, c = 20 * normal(rng, n), np.zeros(n, np.float32), np.float32(cap)
    nn.call("vec_softcap", out, x, c, n)
    two = np.float32(2)
    assert np.array_equal(out, c - two * c / (np.float32(1) + exact.exp(x * (two / c))))
    want = cap * np.tanh(x.astype(np.float64) / cap)
    # Of 2 cap / (1 + e): e errs by 2 EPS |2x / cap| + 1e-7 of itself, a quarter of which shows at
    # most where the quotient is steepest; then three roundings of what is up to 2 cap.
    slope = np.minimum(np.abs(2 * x / c), 4)  # beyond, e or 1 wins
    assert np.max(np.abs(out - want)) <= 2 * cap * (np.max(2 * EPS * slope) + 1e-7 + 3 * EPS)
    assert np.all(np.abs(out) <= c)
