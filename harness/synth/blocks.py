"""Random weights, made directly in their file format: nothing is quantised, so it is fast.

Every generator returns weights of mean 0 and the wanted standard deviation. Random integers are
turned into weights, so the bytes depend on the seed alone, not on NumPy's distributions.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from harness.gguf import GGMLType

Bytes = npt.NDArray[np.uint8]

# d varies from block to block, uniformly within [0.75, 1.25] of its mean; this is its rms.
_D_RMS: Final = sqrt(1 + 0.5**2 / 12)
_RMS_INT8: Final = sqrt((255**2 - 1) / 12)  # -127..127
_RMS_Q4_0: Final = sqrt((16**2 - 1) / 12 + 0.5**2)  # 0..15 minus 8; the mean is -0.5
_RMS_Q6_K: Final = sqrt((64**2 - 1) / 12 + 0.5**2)  # 0..63 minus 32
_STD_NIBBLE: Final = sqrt((16**2 - 1) / 12)

# Q4_K: value = d*sc*q - dmin*mn has mean 0 when dmin*mn = 7.5*d*sc, thus with dmin = 5*d and
# mn = 1.5*sc. A little jitter on mn keeps the two from being functions of each other.
_Q4_K_SC: Final = (20, 40)
_Q4_K_DMIN: Final = 5.0
_Q4_K_JITTER: Final = 2
_Q6_K_SC: Final = (40, 104)  # of either sign
_Q5_K_DMIN: Final = 15.5 / 1.5  # likewise, with q of mean 15.5


def _rms_signed(bits: int) -> float:
    """Of an integer of so many bits, all equally likely, less half their number."""
    return sqrt((4**bits - 1) / 12 + 0.5**2)


_IQ4: Final = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
_RMS_IQ4: Final = sqrt(sum(v * v for v in _IQ4) / 16)


@dataclass(frozen=True)
class _AnyBits:
    """A format of which any bits but those of its halves make weights."""

    d_at: int  # byte of a block
    rms: float  # of weights with d = 1
    m_at: int | None = None
    m_per_d: float = 0.0  # so that the mean is 0; without m it cancels by d's sign


# Q2_K: sc*q - 1.5*mn = sc*(q - 1.5) + 1.5*(sc - mn), with mn = sc xor 1 (_any_bits sees to it).
_ANY_BITS: Final = {
    GGMLType.Q4_1: _AnyBits(0, _STD_NIBBLE, 2, -7.5),
    GGMLType.Q5_0: _AnyBits(0, _rms_signed(5)),
    GGMLType.Q5_1: _AnyBits(0, sqrt((32**2 - 1) / 12), 2, -15.5),
    GGMLType.Q2_K: _AnyBits(80, sqrt(15 * 31 / 6 * (4**2 - 1) / 12 + 1.5**2), 82, 1.5),
    GGMLType.Q3_K: _AnyBits(108, _rms_signed(6) * _rms_signed(3)),
    GGMLType.IQ4_NL: _AnyBits(0, _RMS_IQ4),
    GGMLType.IQ4_XS: _AnyBits(0, _rms_signed(6) * _RMS_IQ4),
}


class RandomBytes:
    """A reproducible stream: raw words of PCG64, which NumPy promises never to change."""

    def __init__(self, seed: int, name: str) -> None:
        self._words = np.random.PCG64(np.random.SeedSequence((seed, crc32(name.encode()))))

    def take(self, n: int) -> Bytes:
        """The next n bytes, from whole 64-bit words."""
        words = np.asarray(self._words.random_raw(-(-n // 8)), dtype="<u8")
        return words.view(np.uint8)[:n]


def random_vector(n: int, low: float, high: float, source: RandomBytes) -> Bytes:
    """F32 values uniform in [low, high]: a norm weight."""
    fraction = source.take(4 * n).view("<u4").astype(np.float64) / 0xFFFFFFFF
    return (low + (high - low) * fraction).astype("<f4").view(np.uint8)


def random_blocks(kind: GGMLType, n_values: int, std: float, source: RandomBytes) -> Bytes:
    """Weights as the file stores them; n_values is a whole number of blocks."""
    n_blocks = n_values // kind.block_size
    if kind in (GGMLType.F32, GGMLType.F16, GGMLType.BF16):
        return _plain(kind, n_values, std, source)
    if kind in _ANY_BITS:
        return _any_bits(kind, n_blocks, std, source).reshape(-1)
    make = {
        GGMLType.Q4_0: _q4_0,
        GGMLType.Q8_0: _q8_0,
        GGMLType.Q4_K: _q4_k,
        GGMLType.Q5_K: _q5_k,
        GGMLType.Q6_K: _q6_k,
    }[kind]
    return make(n_blocks, std, source).reshape(-1)


def _plain(kind: GGMLType, n: int, std: float, source: RandomBytes) -> Bytes:
    # Uniform: in a sum over a row of weights only the variance shows.
    if kind is GGMLType.F16:
        halves = source.take(2 * n).view("<i2").astype(np.float32)
        return (halves * np.float32(std * sqrt(3) / (1 << 15))).astype("<f2").view(np.uint8)
    values = source.take(4 * n).view("<i4").astype(np.float32)
    values *= np.float32(std * sqrt(3) / (1 << 31))
    if kind is GGMLType.F32:
        return values.astype("<f4", copy=False).view(np.uint8)
    bits = values.view(np.uint32)
    # To the nearest BF16, ties to even; no value is near the largest, so nothing overflows.
    upper = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return upper.astype("<u2").view(np.uint8)


def _scales(
    n_blocks: int, mean: float, source: RandomBytes, *, signed: bool
) -> npt.NDArray[np.float32]:
    raw = source.take(2 * n_blocks).reshape(n_blocks, 2)
    scales = np.float32(mean) * (np.float32(0.75) + raw[:, 0].astype(np.float32) / np.float32(510))
    return np.where(raw[:, 1] & 1, -scales, scales) if signed else scales


def _halves(values: npt.NDArray[np.float32]) -> Bytes:
    return values.astype("<f2").view(np.uint8).reshape(-1, 2)


def _q4_0(n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    blocks = np.empty((n_blocks, 18), np.uint8)
    # Real files have scales of both signs, and so the mean of -0.5*d cancels.
    blocks[:, :2] = _halves(_scales(n_blocks, std / (_RMS_Q4_0 * _D_RMS), source, signed=True))
    blocks[:, 2:] = source.take(16 * n_blocks).reshape(n_blocks, 16)
    return blocks


def _q8_0(n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    blocks = np.empty((n_blocks, 34), np.uint8)
    blocks[:, :2] = _halves(_scales(n_blocks, std / (_RMS_INT8 * _D_RMS), source, signed=False))
    values = source.take(32 * n_blocks).view(np.int8)
    blocks[:, 2:] = np.maximum(values, -127).view(np.uint8).reshape(n_blocks, 32)
    return blocks


def _any_bits(kind: GGMLType, n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    form = _ANY_BITS[kind]
    blocks = source.take(kind.block_bytes * n_blocks).reshape(n_blocks, kind.block_bytes).copy()
    d = _scales(n_blocks, std / (form.rms * _D_RMS), source, signed=form.m_at is None)
    blocks[:, form.d_at : form.d_at + 2] = _halves(d)
    if form.m_at is not None:
        blocks[:, form.m_at : form.m_at + 2] = _halves(d * np.float32(form.m_per_d))
    if kind is GGMLType.Q2_K:
        sc = blocks[:, :16] & 15
        blocks[:, :16] = sc | (sc ^ 1) << 4
    return blocks


def _q4_k(n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    return _scaled_nibbles(n_blocks, std, source, _STD_NIBBLE, _Q4_K_DMIN)


def _q5_k(n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    rms_q = sqrt((32**2 - 1) / 12)
    nibbles = _scaled_nibbles(n_blocks, std, source, rms_q, _Q5_K_DMIN)
    high = source.take(32 * n_blocks).reshape(n_blocks, 32)
    return np.concatenate([nibbles[:, :16], high, nibbles[:, 16:]], axis=1)


def _scaled_nibbles(
    n_blocks: int, std: float, source: RandomBytes, rms_q: float, dmin_per_d: float
) -> Bytes:
    """Blocks of Q4_K, with d for quants of another rms where more bits follow."""
    low, high = _Q4_K_SC
    n_sc, n_jitter = high - low + 1, 2 * _Q4_K_JITTER + 1
    mean_square_sc = ((low + high) / 2) ** 2 + (n_sc**2 - 1) / 12
    jitter_variance = dmin_per_d**2 * (n_jitter**2 - 1) / 12
    rms = sqrt(mean_square_sc * rms_q**2 + jitter_variance)
    d = _scales(n_blocks, std / (rms * _D_RMS), source, signed=False)
    raw = source.take(16 * n_blocks).reshape(n_blocks, 16).astype(np.uint16)
    sc = low + (raw[:, :8] * n_sc >> 8)
    mn = (3 * sc >> 1) + (raw[:, 8:] * n_jitter >> 8) - _Q4_K_JITTER
    blocks = np.empty((n_blocks, 144), np.uint8)
    blocks[:, 0:2] = _halves(d)
    blocks[:, 2:4] = _halves(d * np.float32(dmin_per_d))
    blocks[:, 4:8] = sc[:, :4] | (sc[:, 4:] >> 4) << 6
    blocks[:, 8:12] = mn[:, :4] | (mn[:, 4:] >> 4) << 6
    blocks[:, 12:16] = sc[:, 4:] & 15 | (mn[:, 4:] & 15) << 4
    blocks[:, 16:] = source.take(128 * n_blocks).reshape(n_blocks, 128)
    return blocks


def _q6_k(n_blocks: int, std: float, source: RandomBytes) -> Bytes:
    low, high = _Q6_K_SC
    n_sc = high - low + 1
    rms = sqrt((((low + high) / 2) ** 2 + (n_sc**2 - 1) / 12) * _RMS_Q6_K**2)
    d = _scales(n_blocks, std / (rms * _D_RMS), source, signed=False)
    raw = source.take(32 * n_blocks).reshape(n_blocks, 32).astype(np.int16)
    sc = low + (raw[:, :16] * n_sc >> 8)
    blocks = np.empty((n_blocks, 210), np.uint8)
    blocks[:, :192] = source.take(192 * n_blocks).reshape(n_blocks, 192)
    blocks[:, 192:208] = np.where(raw[:, 16:] & 1, -sc, sc).astype(np.int8).view(np.uint8)
    blocks[:, 208:] = _halves(d)
    return blocks
