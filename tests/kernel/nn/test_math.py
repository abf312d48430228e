"""kernel/lib/math.c and f16.c: exact definitions and measured error."""

import numpy as np
import pytest

from tests.kernel.nn import exact
from tests.kernel.nn.library import Library


def exp_of(nn: Library, x: exact.Floats) -> exact.Floats:
    return np.array([nn.float_of("exp_f32", value) for value in x], np.float32)


@pytest.mark.slow
def test_exp_is_its_definition_and_within_its_error(nn: Library, rng: np.random.Generator) -> None:
    x = np.concatenate([rng.uniform(-87, 88, 20000), rng.uniform(-1, 1, 5000)]).astype(np.float32)
    got = exp_of(nn, x)
    assert np.array_equal(got, exact.exp(x))
    want = np.exp(x.astype(np.float64))
    assert np.max(np.abs(got / want - 1)) <= 1e-7


@pytest.mark.parametrize(
    ("x", "same_as"), [(0.0, None), (-0.0, None), (-1e30, -87.0), (1e30, 88.0), (np.nan, -87.0)]
)
def test_exp_at_its_ends(nn: Library, x: float, same_as: float | None) -> None:
    want = np.float32(1) if same_as is None else nn.float_of("exp_f32", same_as)
    assert nn.float_of("exp_f32", x) == want


def test_every_half_widens_as_numpy_does(nn: Library) -> None:
    halves = np.arange(65536, dtype=np.uint16)
    got = np.array([nn.float_of("f16_to_f32", int(h)) for h in halves], np.float32)
    want = halves.view(np.float16).astype(np.float32)
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(want))


def test_floats_narrow_as_numpy_does(nn: Library, rng: np.random.Generator) -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    bits = every[np.isfinite(every)].view(np.uint32)
    around = [bits + np.uint32(step) for step in (0, 1, 0xFFF, 0x1000, 0x1001)]  # ties and beside
    below = bits[bits & 0x7FFFFFFF != 0] - np.uint32(1)
    any_bits = rng.integers(0, 2**32, 100000, dtype=np.uint32)
    x = np.concatenate([*around, below, any_bits]).view(np.float32)
    got = np.zeros(len(x), np.uint16)
    nn.call("f32_to_f16_row", got, x, len(x))
    with np.errstate(over="ignore", invalid="ignore"):
        want = x.astype(np.float16)
    assert np.array_equal(got.view(np.float16), want, equal_nan=True)
    assert np.array_equal(np.signbit(got.view(np.float16)), np.signbit(want))


def test_bf16_is_the_upper_half(nn: Library) -> None:
    for value in (0x3F80, 0xC049, 0x0001, 0x8000, 0x7F80):
        got = nn.float_of("bf16_to_f32", value)
        assert got.view(np.uint32) == value << 16
