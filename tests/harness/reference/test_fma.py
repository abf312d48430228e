"""float32 fma against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from harness.reference.fma import F32, fma, fma_into

SMALLEST_EXPONENT = -149  # of a float32 unit in the last place, reached by subnormals


def round_to_float32(x: Fraction) -> np.float32:
    """Nearest float32, ties to even, by integers only."""
    if x == 0:
        return np.float32(0)
    sign, magnitude = (-1 if x < 0 else 1), abs(x)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length() - 24
    if magnitude >= Fraction(2) ** (exponent + 24):
        exponent += 1
    exponent = max(exponent, SMALLEST_EXPONENT)
    units = round(magnitude / Fraction(2) ** exponent)  # Fraction rounds half to even
    return np.float32(sign * float(units * Fraction(2) ** exponent))


def exact(a: F32, b: F32, c: F32) -> F32:
    terms = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    return np.array(
        [round_to_float32(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in terms]
    )


def bits(x: F32) -> list[int]:
    return [int(v) for v in (x + np.float32(0)).view(np.uint32)]  # both zeros alike


def random_float32(rng: np.random.Generator, n: int, exponents: tuple[int, int]) -> F32:
    mantissa = rng.integers(1 << 23, 1 << 24, n) * rng.choice([-1, 1], n)
    values = np.ldexp(mantissa.astype(np.float64), rng.integers(*exponents, n) - 23)
    return np.asarray(values, np.float32)


@pytest.mark.parametrize(
    ("exponents_ab", "exponents_c"),
    [((-3, 3), (-3, 3)), ((-20, 20), (-45, 45)), ((-75, -55), (-149, -120)), ((0, 1), (20, 28))],
    ids=["alike", "far apart", "subnormal results", "product near half a unit of c"],
)
def test_fma_rounds_once(exponents_ab: tuple[int, int], exponents_c: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    n = 3000
    a, b = (random_float32(rng, n, exponents_ab) for _ in range(2))
    c = random_float32(rng, n, exponents_c)
    assert bits(fma(a, b, c)) == bits(exact(a, b, c))


def midpoint_cases() -> tuple[F32, F32, F32]:
    """c plus almost exactly half a unit in its last place, and exactly half."""
    rng = np.random.default_rng(2)
    n = 500
    c = random_float32(rng, n, (-140, 90))
    half_unit = np.spacing(np.abs(c)).astype(np.float64) / 2
    eps = 2.0**-23
    factor_a = rng.choice([1.0, 1 + eps, 1 - eps / 2], n)
    factor_b = rng.choice([1.0, 1 - eps, 1 + eps, 1 - eps / 2], n)
    exponent = np.log2(half_unit).astype(int)  # split, so that neither factor underflows
    a = np.ldexp(factor_a, exponent // 2).astype(np.float32) * rng.choice([-1, 1], n)
    b = np.ldexp(factor_b, exponent - exponent // 2).astype(np.float32)
    return a.astype(np.float32), b, c


def test_fma_is_right_where_the_float64_sum_falls_on_a_midpoint() -> None:
    a, b, c = midpoint_cases()
    assert bits(fma(a, b, c)) == bits(exact(a, b, c))


def test_the_midpoint_cases_defeat_rounding_twice() -> None:
    a, b, c = midpoint_cases()
    twice = (a.astype(np.float64) * b + c).astype(np.float32)
    assert bits(twice) != bits(exact(a, b, c))


def test_subnormal_midpoints_round_once() -> None:
    unit = 2.0**-149
    c = np.array([3 * unit, 4 * unit, -3 * unit, 2.0**-127], np.float32)
    eps = 2.0**-23
    for a, b in (((1 + eps), (1 - eps)), (1.0, 1.0), ((1 + eps), (1 + eps))):
        x = np.full_like(c, a * 2.0**-75)
        y = np.full_like(c, b * 2.0**-75)
        assert bits(fma(x, y, c)) == bits(exact(x, y, c))


def test_fma_into_accumulates_in_a_view() -> None:
    acc = np.zeros((3, 4))
    fma_into(
        acc[1:], np.full((2, 4), 0.1, np.float32).astype(np.float64), np.float64(3.0) * np.ones(4)
    )
    assert (acc[0] == 0).all()
    assert (acc[1:] == np.float64(np.float32(float(np.float32(0.1)) * 3))).all()


def test_signs_of_zero_follow_ieee() -> None:
    zero = np.zeros(1, np.float32)
    assert np.signbit(fma(-zero, zero + 1, -zero))[0]
    assert not np.signbit(fma(-zero, zero + 1, zero))[0]
