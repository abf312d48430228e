"""Our quantisers against the official dequantiser, the byte layout, and simpler quantisers."""

import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from harness.gguf import GGMLType
from harness.reference.unpack import dequantize_rows, unpack_blocks
from harness.train import quantise
from harness.train.quantise import F32, QK_K, U8, quantise_q4_k, quantise_q6_k, quantise_q8_0

QUANTISERS = {GGMLType.Q4_K: quantise_q4_k, GGMLType.Q6_K: quantise_q6_k}
KINDS = pytest.mark.parametrize("kind", QUANTISERS, ids=lambda kind: kind.name)


def weights(name: str, n: int = 64, n_cols: int = 512) -> F32:
    rng = np.random.default_rng(7)
    x = rng.normal(0, 0.05, (n, n_cols))
    if name == "laplace":
        x = rng.laplace(0, 0.05, (n, n_cols))
    if name == "outliers":
        x = np.where(rng.random(x.shape) < 0.003, 20 * x, x)
    if name == "offset":
        x = x + 0.2
    return x.astype(np.float32)


DISTRIBUTIONS = pytest.mark.parametrize("name", ["normal", "laplace", "outliers", "offset"])


def restored(rows: U8, kind: GGMLType) -> F32:
    return np.asarray(dequantize(rows, GGMLQuantizationType(kind)), np.float32)


def rms(x: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@KINDS
@DISTRIBUTIONS
def test_no_weight_is_further_off_than_its_grid_allows(kind: GGMLType, name: str) -> None:
    x = weights(name)
    rows = QUANTISERS[kind](x)
    assert rows.shape == (len(x), kind.row_bytes(x.shape[1]))
    miss = np.abs(restored(rows, kind) - x).reshape(-1, QK_K)
    blocks = unpack_blocks(kind, rows)
    assert blocks.scale is not None
    step = np.abs(blocks.d[..., None] * blocks.scale).max(-1).reshape(-1, 1)
    # Rounding costs half a step of the widest sub-block. Clipping an extreme value costs more where
    # it pays for all the others: the search tries grids up to two steps (of 15 or 32) too narrow,
    # and the neighbouring scales; four steps is beyond all of them.
    assert (miss <= 4 * step + 1e-7).all()
    assert np.median(miss / step) < 0.5


@KINDS
@DISTRIBUTIONS
def test_the_error_is_below_that_of_a_plain_grid(kind: GGMLType, name: str) -> None:
    x = weights(name)
    ours = rms(restored(QUANTISERS[kind](x), kind) - x)
    plain = rms((min_max_q4 if kind is GGMLType.Q4_K else abs_max_q6)(x) - x)
    assert ours < plain
    if name == "normal":
        # A grid of 16 levels over the range of 32 normal values (4.1 deviations) has a step of
        # 0.28 and an error of 0.28/sqrt(12) = 8 % of the deviation; of 64 levels over 16 values
        # (2 x 2.1 deviations) 1.7 %. Rounded scales add little; search takes a tenth off.
        assert ours / rms(x) < {GGMLType.Q4_K: 0.08, GGMLType.Q6_K: 0.02}[kind]


def min_max_q4(x: F32) -> F32:
    """Per 32 weights: the range in 15 steps; scale and minimum in 6 bits, as in the format."""
    sub = x.reshape(-1, 8, 32)
    low = np.minimum(sub.min(-1), 0)
    scale = (sub.max(-1) - low) / 15
    d, dmin = (v.max(1, keepdims=True) / 63 for v in (scale, -low))
    scale, minimum = d * np.rint(scale / d), dmin * np.rint(-low / np.where(dmin > 0, dmin, 1))
    q = np.clip(np.rint((sub + minimum[..., None]) / scale[..., None]), 0, 15)
    return np.asarray(scale[..., None] * q - minimum[..., None]).reshape(x.shape)


def abs_max_q6(x: F32) -> F32:
    """Per 16 weights: the largest is 31 steps; the scale in 7 bits and a sign."""
    sub = x.reshape(-1, 16, 16)
    scale = np.abs(sub).max(-1) / 31
    d = scale.max(1, keepdims=True) / 127
    scale = d * np.rint(scale / d)
    q = np.clip(np.rint(sub / scale[..., None]), -32, 31)
    return np.asarray(scale[..., None] * q).reshape(x.shape)


@KINDS
def test_repairing_rounded_scales_pays(kind: GGMLType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rounds of neighbouring scales and a refitted d: Q4_K's 6-bit scales gain most by them."""
    gain = {GGMLType.Q4_K: 0.01, GGMLType.Q6_K: 0.002}[kind]
    x = weights("laplace")
    repaired = rms(restored(QUANTISERS[kind](x), kind) - x)
    monkeypatch.setattr(quantise, "ROUNDS", 0)
    assert repaired < (1 - gain) * rms(restored(QUANTISERS[kind](x), kind) - x)


@KINDS
def test_official_and_own_dequantiser_agree_bit_for_bit(kind: GGMLType) -> None:
    rows = QUANTISERS[kind](weights("outliers"))
    assert np.array_equal(restored(rows, kind), dequantize_rows(kind, rows))


def test_q4_k_bytes_lie_where_ggml_has_them() -> None:
    # Every number is one that the format holds exactly, so every byte is known beforehand.
    sc, mn = [9, 18, 27, 36, 45, 54, 60, 63], [0, 5, 0, 0, 63, 17, 0, 40]
    q = np.tile(np.arange(16, dtype=np.uint8), 2)
    sub = [s / 64 * q - m / 16 for s, m in zip(sc, mn, strict=True)]
    values = np.concatenate(sub).astype(np.float32)
    block = quantise_q4_k(values[None])[0]
    assert np.array_equal(restored(block[None], GGMLType.Q4_K)[0], values)
    assert block[:4].view(np.float16).tolist() == [1 / 64, 1 / 16]
    assert block[4:8].tolist() == [sc[i] | sc[i + 4] >> 4 << 6 for i in range(4)]
    assert block[8:12].tolist() == [mn[i] | mn[i + 4] >> 4 << 6 for i in range(4)]
    assert block[12:16].tolist() == [sc[i + 4] & 15 | (mn[i + 4] & 15) << 4 for i in range(4)]
    assert np.array_equal(block[16:], np.tile(q | q << 4, 4))


def test_q6_k_bytes_lie_where_ggml_has_them() -> None:
    rng = np.random.default_rng(0)
    q = rng.integers(-32, 32, 256)
    q[::16] = -32  # every sub-block uses its whole range, so its scale is certain
    values = (q * np.float32(2**-8)).astype(np.float32)
    block = quantise_q6_k(values[None])[0]
    assert np.array_equal(restored(block[None], GGMLType.Q6_K)[0], values)
    d = float(block[208:210].view(np.float16)[0])
    scales = block[192:208].view(np.int8)
    assert (d * scales == 2**-8).all()
    level = (q + 32).astype(np.uint8)
    for element in (0, 31, 32, 63, 64, 95, 96, 127, 128, 200, 255):
        half, run, lane = element // 128, element % 128 // 32, element % 32
        low = block[64 * half + 32 * (run % 2) + lane] >> 4 * (run // 2) & 15
        high = block[128 + 32 * half + lane] >> 2 * run & 3
        assert low | high << 4 == level[element]


@KINDS
def test_zeros_and_tiny_weights_survive(kind: GGMLType) -> None:
    x = np.zeros((3, QK_K), np.float32)
    x[1, 5] = 0.1
    x[2] = 1e-12  # below what a half can scale
    back = restored(QUANTISERS[kind](x), kind)
    assert np.isfinite(back).all()
    assert np.array_equal(back[0], x[0])
    assert back[1, 5] == pytest.approx(0.1, rel=0.02)
    assert np.abs(back[2]).max() < 1e-6


@KINDS
def test_rows_are_quantised_independently(kind: GGMLType) -> None:
    x = weights("laplace", n=5)
    whole = QUANTISERS[kind](x)
    assert np.array_equal(whole[3:4], QUANTISERS[kind](x[3:4]))


@DISTRIBUTIONS
def test_q8_0_is_the_official_quantiser_s_to_the_bit(name: str) -> None:
    x = weights(name)
    rows = quantise_q8_0(x)
    assert rows.shape == (len(x), GGMLType.Q8_0.row_bytes(x.shape[1]))
    assert np.array_equal(rows, quantize(x, GGMLQuantizationType.Q8_0))
    back = restored(rows, GGMLType.Q8_0)
    assert np.array_equal(back, dequantize_rows(GGMLType.Q8_0, rows))
    # Half a step of 1/127 of each 32 weights' largest, and the half's rounding, 2^-11 of 127 steps.
    step = np.abs(x).reshape(-1, 32).max(1, keepdims=True) / 127
    assert (np.abs(back - x).reshape(-1, 32) <= (0.5 + 127 * 2**-11) * step * 1.001).all()


def test_q8_0_rounds_halves_away_from_zero_and_keeps_zeros() -> None:
    x = np.zeros((2, 64), np.float32)
    x[0, :6] = [127, 0.5, -0.5, 1.5, 2.5, -2.5]  # the scale is 1
    x[1, :2] = [1e-40, -1e-40]
    q = quantise_q8_0(x).reshape(2, 2, 34)[:, :, 2:].view(np.int8)
    assert q[0, 0, :6].tolist() == [127, 1, -1, 2, 3, -3]
    assert np.array_equal(restored(quantise_q8_0(x), GGMLType.Q8_0)[1], np.zeros(64))
    official = quantize(x[:1], GGMLQuantizationType.Q8_0)
    assert np.array_equal(quantise_q8_0(x[:1]), official)
