"""GGUF blocks to integers and scales, written from the format description.

`gguf.quants.dequantize` serves the float reference; this third writing gives the contract
reference the integers that a kernel multiplies. All functions take `rows`: uint8 (n, row_bytes).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.gguf.types import GGMLType
from harness.reference.fma import F32

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Blocks:
    """weight = (d * scale) * q - (dmin * minimum), n rows of b blocks of s sub-blocks of q.

    A format that adds m instead has dmin = -m and a minimum of 1: the same roundings.
    """

    d: F32  # (n, b)
    q: I32  # (n, b, s, sub-block size), offsets of the format (4, 8, 16, 32) already subtracted
    scale: I32 | None = None  # (n, b, s)
    dmin: F32 | None = None  # (n, b)
    minimum: I32 | None = None  # (n, b, s)


def unpack_blocks(type_: GGMLType, rows: U8) -> Blocks:
    """Split each row into its blocks."""
    return _UNPACK[type_](rows)


def dequantize_rows(type_: GGMLType, rows: U8) -> F32:
    """float32 weights in ggml's order of operations, without fused multiply-add."""
    if type_ in PLAIN:
        return PLAIN[type_](rows)
    blocks = unpack_blocks(type_, rows)
    scale = blocks.d[..., None]
    if blocks.scale is not None:
        scale = scale * blocks.scale.astype(np.float32)
    out = scale[..., None] * blocks.q.astype(np.float32)
    if blocks.dmin is not None and blocks.minimum is not None:
        out = out - (blocks.dmin[..., None] * blocks.minimum.astype(np.float32))[..., None]
    return np.asarray(out.reshape(len(rows), -1), np.float32)


def _split(rows: U8, block_bytes: int) -> U8:
    return np.ascontiguousarray(rows).reshape(len(rows), -1, block_bytes)


def _half(two_bytes: U8) -> F32:
    return np.ascontiguousarray(two_bytes).view(np.float16)[..., 0].astype(np.float32)


def _both_nibbles(packed: U8) -> U8:
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _q8_0(rows: U8) -> Blocks:
    block = _split(rows, 34)
    q = np.ascontiguousarray(block[..., 2:]).view(np.int8)
    return Blocks(_half(block[..., :2]), q.astype(np.int32)[:, :, None, :])


def _q4_0(rows: U8) -> Blocks:
    block = _split(rows, 18)
    q = _both_nibbles(block[..., 2:]).astype(np.int32) - 8
    return Blocks(_half(block[..., :2]), q[:, :, None, :])


def _with_m(d: F32, m: F32, q: U8) -> Blocks:
    return Blocks(
        d,
        q.astype(np.int32)[:, :, None, :],
        dmin=-m,
        minimum=np.ones((*d.shape, 1), np.int32),
    )


def _q4_1(rows: U8) -> Blocks:
    block = _split(rows, 20)
    return _with_m(_half(block[..., 0:2]), _half(block[..., 2:4]), _both_nibbles(block[..., 4:]))


def _five_bits(high: U8, nibbles: U8) -> U8:
    """high: 32 bits, little-endian, of which bit i is bit 4 of value i."""
    bits = np.unpackbits(high, axis=-1, bitorder="little")
    return np.asarray(_both_nibbles(nibbles) | bits << 4, np.uint8)


def _q5_0(rows: U8) -> Blocks:
    block = _split(rows, 22)
    q = _five_bits(block[..., 2:6], block[..., 6:]).astype(np.int32) - 16
    return Blocks(_half(block[..., 0:2]), q[:, :, None, :])


def _q5_1(rows: U8) -> Blocks:
    block = _split(rows, 24)
    q = _five_bits(block[..., 4:8], block[..., 8:])
    return _with_m(_half(block[..., 0:2]), _half(block[..., 2:4]), q)


_IQ4 = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int32
)


def _iq4_nl(rows: U8) -> Blocks:
    block = _split(rows, 18)
    return Blocks(_half(block[..., :2]), _IQ4[_both_nibbles(block[..., 2:])][:, :, None, :])


def _iq4_xs(rows: U8) -> Blocks:
    block = _split(rows, 136)
    high = np.ascontiguousarray(block[..., 2:4]).view("<u2")  # one per block
    i = np.arange(8)
    low = block[..., 4:8][..., i // 2] >> (4 * (i % 2)).astype(np.uint8) & 15
    scale = low.astype(np.int32) | (high.astype(np.int32) >> 2 * i & 3) << 4
    q = _IQ4[_both_nibbles(block[..., 8:].reshape(*block.shape[:2], 8, 16))]
    return Blocks(_half(block[..., :2]), q, scale - 32)


def _two_bits(packed: U8) -> U8:
    """(n, b, 64) -> (n, b, 256)."""
    n, b = packed.shape[:2]
    shift = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    return np.asarray(packed.reshape(n, b, 2, 1, 32) >> shift & 3, np.uint8).reshape(n, b, 256)


def _q2_k(rows: U8) -> Blocks:
    block = _split(rows, 84)
    q = _two_bits(block[..., 16:80]).reshape(*block.shape[:2], 16, 16)
    return Blocks(
        _half(block[..., 80:82]),
        q.astype(np.int32),
        (block[..., :16] & 15).astype(np.int32),
        _half(block[..., 82:84]),
        (block[..., :16] >> 4).astype(np.int32),
    )


def _q3_k(rows: U8) -> Blocks:
    block = _split(rows, 110)
    n, b = block.shape[:2]
    s = block[..., 96:108]
    i = np.arange(16)
    low = np.where(i < 8, s[..., i % 8] & 15, s[..., i % 8] >> 4)
    high = s[..., 8 + i % 4] >> (2 * (i // 4)).astype(np.uint8) & 3
    k = np.arange(8, dtype=np.uint8)[:, None]
    top = (block[..., None, :32] >> k & 1).reshape(n, b, 256)
    q = _two_bits(block[..., 32:96]).astype(np.int32) + 4 * top - 4
    scale = (low | high << 4).astype(np.int32) - 32
    return Blocks(_half(block[..., 108:110]), q.reshape(n, b, 16, 16), scale)


def _q5_k(rows: U8) -> Blocks:
    block = _split(rows, 176)
    as_q4_k = np.concatenate([block[..., :16], block[..., 48:]], axis=-1)
    blocks = _q4_k(as_q4_k.reshape(len(rows), -1))
    k = np.arange(8, dtype=np.uint8)[:, None]
    high = (block[..., None, 16:48] >> k & 1).astype(np.int32)
    return replace(blocks, q=blocks.q + 16 * high)


def _q4_k(rows: U8) -> Blocks:
    block = _split(rows, 144)
    s = block[..., 4:16]
    scale = np.concatenate([s[..., 0:4] & 63, (s[..., 8:12] & 15) | (s[..., 0:4] >> 6) << 4], -1)
    minimum = np.concatenate([s[..., 4:8] & 63, (s[..., 8:12] >> 4) | (s[..., 4:8] >> 6) << 4], -1)
    qs = block[..., 16:].reshape(*block.shape[:2], 4, 1, 32)
    q = np.concatenate([qs & 15, qs >> 4], axis=-2).reshape(*block.shape[:2], 8, 32)
    return Blocks(
        _half(block[..., 0:2]),
        q.astype(np.int32),
        scale.astype(np.int32),
        _half(block[..., 2:4]),
        minimum.astype(np.int32),
    )


def _q6_k(rows: U8) -> Blocks:
    block = _split(rows, 210)
    n, b = block.shape[:2]
    low = block[..., :128].reshape(n, b, 2, 2, 32)  # half of the super-block, byte run, lane
    high = block[..., 128:192].reshape(n, b, 2, 1, 32)
    nibbles = np.concatenate([low & 15, low >> 4], axis=3)  # runs of 32 in element order
    shift = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    q = (nibbles | (((high >> shift) & 3) << 4)).astype(np.int32) - 32
    scale = np.ascontiguousarray(block[..., 192:208]).view(np.int8).astype(np.int32)
    return Blocks(_half(block[..., 208:210]), q.reshape(n, b, 16, 16), scale)


def _view(rows: U8, dtype: Any) -> npt.NDArray[Any]:
    return np.ascontiguousarray(rows).view(dtype)


_UNPACK = {
    GGMLType.Q8_0: _q8_0,
    GGMLType.Q4_0: _q4_0,
    GGMLType.Q4_1: _q4_1,
    GGMLType.Q5_0: _q5_0,
    GGMLType.Q5_1: _q5_1,
    GGMLType.IQ4_NL: _iq4_nl,
    GGMLType.Q2_K: _q2_k,
    GGMLType.Q3_K: _q3_k,
    GGMLType.Q4_K: _q4_k,
    GGMLType.Q5_K: _q5_k,
    GGMLType.Q6_K: _q6_k,
    GGMLType.IQ4_XS: _iq4_xs,
}

# Types without blocks; all of their values are float32 values.
PLAIN = {
    GGMLType.F32: lambda rows: np.asarray(_view(rows, "<f4"), np.float32),
    GGMLType.F16: lambda rows: _view(rows, "<f2").astype(np.float32),
    GGMLType.BF16: lambda rows: (_view(rows, "<u2").astype(np.uint32) << 16).view(np.float32),
}
