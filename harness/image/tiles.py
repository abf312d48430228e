"""GGUF rows -> row tiles: rows interleaved, so that one vector lane is one output row.

A tile takes exactly the bytes of its rows. Layouts: kernel/nn/tiles.h.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.gguf import GGMLType
from harness.plan.memory import rows_per_tile

Bytes = npt.NDArray[np.uint8]


def tile_rows(type: GGMLType, rows: Bytes) -> Bytes:
    """Repack rows, uint8 (n, row_bytes), into tiles: uint8 (tiles, rows_per_tile * row_bytes).

    Zero rows fill the last tile; their products are exactly 0 in every type.
    """
    n_rows, row_bytes = rows.shape
    height = rows_per_tile(type)
    missing = -n_rows % height
    if missing:
        rows = np.concatenate([rows, np.zeros((missing, row_bytes), np.uint8)])
    blocks = rows.reshape(len(rows) // height, height, -1, type.block_bytes)
    tiles = _PACK.get(type, _interleave)(blocks)
    return tiles.reshape(len(blocks), height * row_bytes)


def _interleave(blocks: Bytes) -> Bytes:
    """(tile, row, block, bytes) -> (tile, block, row, bytes), each block moved as one item."""
    tiles, n_rows, n_blocks, size = blocks.shape
    items = np.ascontiguousarray(blocks).view(f"V{size}")[..., 0]
    swapped = np.ascontiguousarray(items.transpose(0, 2, 1))
    return swapped.view(np.uint8).reshape(tiles, n_blocks, n_rows, size)


def _column_groups(values: Bytes) -> npt.NDArray[np.void]:
    """(tile, row, block, columns) -> (tile, block, group, row): four columns are one item."""
    return np.ascontiguousarray(values).view("V4").transpose(0, 2, 3, 1)


def _nibbles(values: Bytes, flip: int = 8) -> npt.NDArray[np.void]:
    """Column groups of 4-bit values: rows 0 to 3 in the low nibbles, 4 to 7 in the high, xor."""
    packed = values[:, 4:].copy()
    packed ^= flip
    packed <<= 4
    packed |= values[:, :4]
    return _column_groups(packed)


_Q8_0_TILE = np.dtype([("d", "u1", (8, 2)), ("qs", "V4", (8, 8))])


def _q8_0(blocks: Bytes) -> Bytes:
    out = np.empty(_per_block(blocks), _Q8_0_TILE)
    out["d"] = blocks[..., :2].transpose(0, 2, 1, 3)
    out["qs"] = _column_groups(blocks[..., 2:])
    return out.view(np.uint8)


def _both_nibbles(packed: Bytes) -> Bytes:
    """(..., 16) -> (..., 32), the low nibbles first."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


_Q4_0_TILE = np.dtype([("d", "u1", (8, 2)), ("qs", "V4", (8, 4))])


def _q4_0(blocks: Bytes, flip: int = 8) -> Bytes:
    out = np.empty(_per_block(blocks), _Q4_0_TILE)
    out["d"] = blocks[..., :2].transpose(0, 2, 1, 3)
    out["qs"] = _nibbles(_both_nibbles(blocks[..., 2:]), flip)
    return out.view(np.uint8)


def _iq4_nl(blocks: Bytes) -> Bytes:
    return _q4_0(blocks, flip=0)


_Q4_1_TILE = np.dtype([("d", "u1", (8, 2)), ("m", "u1", (8, 2)), ("qs", "V4", (8, 4))])


def _q4_1(blocks: Bytes) -> Bytes:
    out = np.empty(_per_block(blocks), _Q4_1_TILE)
    out["d"] = blocks[..., 0:2].transpose(0, 2, 1, 3)
    out["m"] = blocks[..., 2:4].transpose(0, 2, 1, 3)
    out["qs"] = _nibbles(_both_nibbles(blocks[..., 4:]))
    return out.view(np.uint8)


def _missing_bits(high: Bytes) -> Bytes:
    """Per byte of four rows and four columns a bit for each of eight column groups: set where
    the value's fifth bit is not. high: (tile, 8 rows, block, 32) of 0 and 1.
    """
    tiles, _, n_blocks, _ = high.shape
    bits = (high ^ 1).reshape(tiles, 2, 4, n_blocks, 8, 4)
    return np.packbits(bits.transpose(0, 3, 1, 2, 5, 4), axis=-1, bitorder="little").reshape(
        tiles, n_blocks, 32
    )


_Q5_0_TILE = np.dtype([("d", "u1", (8, 2)), ("qh", "u1", (32,)), ("qs", "V4", (8, 4))])


def _q5_0(blocks: Bytes) -> Bytes:
    out = np.empty(_per_block(blocks), _Q5_0_TILE)
    out["d"] = blocks[..., 0:2].transpose(0, 2, 1, 3)
    out["qh"] = _missing_bits(np.unpackbits(blocks[..., 2:6], axis=-1, bitorder="little"))
    out["qs"] = _nibbles(_both_nibbles(blocks[..., 6:]), flip=0)
    return out.view(np.uint8)


_Q5_1_TILE = np.dtype(
    [("d", "u1", (8, 2)), ("m", "u1", (8, 2)), ("qh", "u1", (32,)), ("qs", "V4", (8, 4))]
)


def _q5_1(blocks: Bytes) -> Bytes:
    out = np.empty(_per_block(blocks), _Q5_1_TILE)
    out["d"] = blocks[..., 0:2].transpose(0, 2, 1, 3)
    out["m"] = blocks[..., 2:4].transpose(0, 2, 1, 3)
    out["qh"] = _missing_bits(np.unpackbits(blocks[..., 4:8], axis=-1, bitorder="little"))
    out["qs"] = _nibbles(_both_nibbles(blocks[..., 8:]), flip=0)
    return out.view(np.uint8)


_Q4_K_TILE = np.dtype(
    [("d", "u1", (8, 2)), ("dmin", "u1", (8, 2)), ("s6", "u1", (2, 48)), ("qs", "V4", (64, 4))]
)
_Q4_K_BLOCK = np.dtype(
    [("d", "u1", (2,)), ("dmin", "u1", (2,)), ("scales", "u1", (12,)), ("qs", "u1", (4, 32))]
)


def _q4_k(blocks: Bytes) -> Bytes:
    source = np.ascontiguousarray(blocks).view(_Q4_K_BLOCK)[..., 0]
    out = np.empty(_per_block(blocks), _Q4_K_TILE)
    out["d"] = source["d"].transpose(0, 2, 1, 3)
    out["dmin"] = source["dmin"].transpose(0, 2, 1, 3)
    out["s6"] = _scales_and_mins(source["scales"])
    packed = source["qs"]  # (tile, row, block, pair of sub-blocks, 32)
    values = np.stack([packed & 15, packed >> 4], axis=-2)
    out["qs"] = _nibbles(values.reshape(*packed.shape[:3], 256))
    return out.view(np.uint8)


_Q5_K_TILE = np.dtype(
    [
        ("d", "u1", (8, 2)),
        ("dmin", "u1", (8, 2)),
        ("s6", "u1", (2, 48)),
        ("qh", "u1", (8, 32)),
        ("qs", "V4", (64, 4)),
    ]
)
_Q5_K_BLOCK = np.dtype(
    [
        ("d", "u1", (2,)),
        ("dmin", "u1", (2,)),
        ("scales", "u1", (12,)),
        ("qh", "u1", (32,)),
        ("qs", "u1", (4, 32)),
    ]
)


def _q5_k(blocks: Bytes) -> Bytes:
    source = np.ascontiguousarray(blocks).view(_Q5_K_BLOCK)[..., 0]
    out = np.empty(_per_block(blocks), _Q5_K_TILE)
    out["d"] = source["d"].transpose(0, 2, 1, 3)
    out["dmin"] = source["dmin"].transpose(0, 2, 1, 3)
    out["s6"] = _scales_and_mins(source["scales"])
    for j in range(8):
        out["qh"][:, :, j] = _missing_bits(np.asarray(source["qh"] >> j & 1, np.uint8))
    packed = source["qs"]
    values = np.stack([packed & 15, packed >> 4], axis=-2)
    out["qs"] = _nibbles(values.reshape(*packed.shape[:3], 256), flip=0)
    return out.view(np.uint8)


def _scales_and_mins(packed: Bytes) -> Bytes:
    """(tile, row, block, 12) -> (tile, block, 2, 48): per four rows three vectors of 6 + 2 bits."""
    # (tile, block, j, row): sub-blocks j and j + 4 of the packed 6-bit scales and mins.
    s = np.ascontiguousarray(packed.transpose(0, 2, 3, 1))
    first, second, third = s[:, :, 0:4], s[:, :, 4:8], s[:, :, 8:12]
    sc_low, mn_low = first & 63, second & 63
    sc_high = (third & 15) | (first >> 6 << 4)
    mn_high = (third >> 4) | (second >> 6 << 4)
    vectors = np.stack(
        [
            sc_low | (mn_high & 3) << 6,
            sc_high | (mn_high >> 2 & 3) << 6,
            mn_low | (mn_high >> 4) << 6,
        ],
        axis=2,
    )  # (tile, block, vector, j, row)
    halves = vectors.reshape(*vectors.shape[:4], 2, 4).transpose(0, 1, 4, 2, 3, 5)
    return halves.reshape(*halves.shape[:3], 48)


_Q6_K_TILE = np.dtype([("d", "u1", (8, 2)), ("sc", "u1", (16, 8)), ("qs", "V4", (16, 2, 3, 4))])


def _q6_k(blocks: Bytes) -> Bytes:
    """Column groups 0 to 2 of 16 columns in three bytes, group 3 in their upper bits."""
    tiles, n_blocks = _per_block(blocks)
    out = np.empty((tiles, n_blocks), _Q6_K_TILE)
    out["d"] = blocks[..., 208:210].transpose(0, 2, 1, 3)
    out["sc"] = blocks[..., 192:208].transpose(0, 2, 3, 1)
    values = _q6_k_values(blocks).reshape(tiles, 8, n_blocks, 16, 4, 4)
    for i in range(3):
        packed = values[..., 3, :].copy()
        packed >>= 2 * i
        packed <<= 6  # uint8: only two bits stay
        packed |= values[..., i, :]
        items = _column_groups(packed.reshape(tiles, 8, n_blocks, 64))
        out["qs"][:, :, :, :, i] = items.reshape(tiles, n_blocks, 16, 2, 4)
    return out.view(np.uint8)


_Q2_K_TILE = np.dtype(
    [("d", "u1", (8, 2)), ("dmin", "u1", (8, 2)), ("sc", "u1", (16, 8)), ("qs", "V4", (16, 8))]
)


def _q2_k(blocks: Bytes) -> Bytes:
    """Four column groups of a sub-block in the pairs of bits of a byte."""
    out = np.empty(_per_block(blocks), _Q2_K_TILE)
    out["d"] = blocks[..., 80:82].transpose(0, 2, 1, 3)
    out["dmin"] = blocks[..., 82:84].transpose(0, 2, 1, 3)
    out["sc"] = blocks[..., :16].transpose(0, 2, 3, 1)
    values = _two_bits(blocks[..., 16:80]).reshape(*blocks.shape[:3], 16, 4, 4)
    packed = np.bitwise_or.reduce([values[..., i, :] << 2 * i for i in range(4)])
    out["qs"] = _column_groups(packed.reshape(*blocks.shape[:3], 64))
    return out.view(np.uint8)


def _two_bits(packed: Bytes) -> Bytes:
    """(..., 64) -> (..., 256), 0 to 3."""
    halves = packed.reshape(*packed.shape[:-1], 2, 1, 32)
    runs = np.asarray(halves >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3, np.uint8)
    return runs.reshape(*packed.shape[:-1], 256)


_Q3_K_TILE = np.dtype([("d", "u1", (8, 2)), ("s6", "u1", (2, 3, 16)), ("qs", "V4", (16, 3, 4))])


def _q3_k(blocks: Bytes) -> Bytes:
    """Column groups 0 to 2 of 16 columns in three bytes, group 3 in their upper bits."""
    tiles, n_blocks = _per_block(blocks)
    out = np.empty((tiles, n_blocks), _Q3_K_TILE)
    out["d"] = blocks[..., 108:110].transpose(0, 2, 1, 3)
    s = blocks[..., 96:108]
    high = s[..., 8:12, None] >> np.arange(0, 8, 2, dtype=np.uint8) & 3  # [i % 4][i / 4]
    scales = _both_nibbles(s[..., :8]) | high.swapaxes(-1, -2).reshape(*s.shape[:-1], 16) << 4
    out["s6"] = _sixes_in_threes(scales.transpose(0, 2, 3, 1).reshape(tiles, n_blocks, 2, 4, 16))
    bits = blocks[..., None, :32] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    values = _two_bits(blocks[..., 32:96]) | bits.reshape(*blocks.shape[:3], 256) << 2
    both = values[:, :4] | values[:, 4:] << 3  # rows r and r + 4
    groups = both.reshape(tiles, 4, n_blocks, 16, 4, 4).transpose(0, 2, 3, 4, 1, 5)
    packed = _sixes_in_threes(groups.reshape(tiles, n_blocks, 16, 4, 16))
    out["qs"] = packed.view("V4")
    return out.view(np.uint8)


def _sixes_in_threes(values: npt.NDArray[Any]) -> Bytes:
    """Four vectors of six bits, (..., 4, 16) -> (..., 3, 16): the last one in the others' tops."""
    shifts = np.arange(0, 6, 2, dtype=np.uint8)[:, None]
    packed = values[..., :3, :] | (values[..., 3:, :] >> shifts & 3) << 6
    return np.ascontiguousarray(packed, np.uint8)


_IQ4_XS_TILE = np.dtype([("d", "u1", (8, 2)), ("s6", "u1", (3, 16)), ("qs", "V4", (64, 4))])


def _iq4_xs(blocks: Bytes) -> Bytes:
    tiles, n_blocks = _per_block(blocks)
    out = np.empty((tiles, n_blocks), _IQ4_XS_TILE)
    out["d"] = blocks[..., :2].transpose(0, 2, 1, 3)
    pairs = np.arange(0, 8, 2, dtype=np.uint8)
    low = blocks[..., 4:8, None] >> np.array([0, 4], np.uint8) & 15
    high = blocks[..., 2:4, None] >> pairs & 3
    scales = low.reshape(*blocks.shape[:3], 8) | high.reshape(*blocks.shape[:3], 8) << 4
    out["s6"] = _sixes_in_threes(scales.transpose(0, 2, 3, 1).reshape(tiles, n_blocks, 4, 16))
    values = _both_nibbles(blocks[..., 8:].reshape(*blocks.shape[:3], 8, 16))
    out["qs"] = _nibbles(values.reshape(*blocks.shape[:3], 256), flip=0)
    return out.view(np.uint8)


def _q6_k_values(blocks: Bytes) -> Bytes:
    """(..., 210) -> the 6-bit values (..., 256), 0 to 63."""
    shape = blocks.shape[:-1]
    low = blocks[..., :128].reshape(*shape, 2, 2, 32)  # [half][run pair]
    high = blocks[..., 128:192].reshape(*shape, 2, 32)
    q = np.empty((*shape, 2, 4, 32), np.uint8)  # [half][run][lane]
    np.bitwise_and(low, 15, out=q[..., 0:2, :])
    np.right_shift(low, 4, out=q[..., 2:4, :])
    for run in range(4):
        # Two bits of this run, moved to bits 4 and 5.
        bits = high << (4 - 2 * run) if run < 2 else high >> (2 * run - 4)
        bits &= 0x30
        q[..., run, :] |= bits
    return q.reshape(*shape, 256)


def _per_block(blocks: Bytes) -> tuple[int, int]:
    tiles, _, n_blocks, _ = blocks.shape
    return tiles, n_blocks


# Types without blocks are interleaved value by value.
_PACK = {
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
