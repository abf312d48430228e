"""The figures of a comparison, on cases computed by hand."""

import numpy as np
import pytest

from harness.verify.agreement import agreement, bit_equality


def test_equal_logits_agree_perfectly() -> None:
    x = np.random.default_rng(1).normal(size=(3, 5))
    found = agreement(x, x)
    assert found.cosine == pytest.approx(1)
    assert found.max_abs == found.rms == found.kl_mean == 0


def test_figures_of_a_small_case() -> None:
    found = agreement(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]))
    assert found.cosine == pytest.approx(24 / 25)
    assert found.max_abs == found.rms == 1
    assert found.std == pytest.approx(0.5)
    p = 1 / (1 + np.exp(-1))
    assert found.kl_mean == pytest.approx(p * np.log(p / (1 - p)) + (1 - p) * np.log((1 - p) / p))


def test_a_scale_error_is_seen_by_rms_and_not_by_cosine() -> None:
    x = np.random.default_rng(2).normal(size=(3, 50))
    found = agreement(1.01 * x, x)
    assert found.cosine == pytest.approx(1)
    assert found.rms == pytest.approx(0.01 * np.sqrt(np.mean(x * x)))


def test_nan_passes_no_limit() -> None:
    x = np.zeros((1, 4))
    bad = x.copy()
    bad[0, 0] = np.nan
    found = agreement(bad, x + 1)
    assert not found.cosine > -2
    assert not found.rms < np.inf
    assert not found.kl_mean < np.inf


def test_bits_count_neighbouring_floats_as_one_ulp() -> None:
    x = np.array([[1, 2], [3, 4]], np.float32)
    y = x.copy()
    y[1, 0] = np.nextafter(y[1, 0], np.float32(9))
    found = bit_equality(y, x)
    assert (found.equal, found.total, found.max_ulp, found.first_row) == (3, 4, 1, 1)
    assert bit_equality(x, x).all_equal


def test_zeros_of_other_sign_are_other_bits_but_no_ulp_apart() -> None:
    zero = np.zeros((1, 1), np.float32)
    found = bit_equality(-zero, zero)
    assert (found.equal, found.max_ulp) == (0, 0)
