"""GGUF rows -> row tiles: four rows interleaved, so that one vector lane is one output row.

A tile takes exactly the bytes of its four rows. Layouts: kernel/nn/tiles.h.
"""

import numpy as np
import numpy.typing as npt

from harness.gguf import GGMLType
from harness.plan.memory import TILE_ROWS

Bytes = npt.NDArray[np.uint8]


def tile_rows(type: GGMLType, rows: Bytes) -> Bytes:
    """Repack rows, uint8 (n, row_bytes), into tiles: uint8 (tiles, 4 * row_bytes).

    Zero rows fill the last tile; their products are exactly 0 in every type.
    """
    n_rows, row_bytes = rows.shape
    missing = -n_rows % TILE_ROWS
    if missing:
        rows = np.concatenate([rows, np.zeros((missing, row_bytes), np.uint8)])
    blocks = rows.reshape(len(rows) // TILE_ROWS, TILE_ROWS, -1, type.block_bytes)
    match type:
        case GGMLType.F32 | GGMLType.F16 | GGMLType.BF16:
            tiles = _interleave(blocks)
        case GGMLType.Q4_0 | GGMLType.Q8_0:
            tiles = _scale_then_values(blocks)
        case GGMLType.Q4_K:
            tiles = _q4_k(blocks)
        case GGMLType.Q6_K:
            tiles = _q6_k(blocks)
    return tiles.reshape(len(blocks), TILE_ROWS * row_bytes)


def _interleave(blocks: Bytes) -> Bytes:
    """(tile, row, block, bytes) -> (tile, block, row, bytes), each block moved as one item."""
    tiles, n_rows, n_blocks, size = blocks.shape
    items = np.ascontiguousarray(blocks).view(f"V{size}")[..., 0]
    swapped = np.ascontiguousarray(items.transpose(0, 2, 1))
    return swapped.view(np.uint8).reshape(tiles, n_blocks, n_rows, size)


def _scale_then_values(blocks: Bytes) -> Bytes:
    """q8_0_r4 and q4_0_r4: the four scales, then the four rows' values."""
    tiles, n_rows, n_blocks, size = blocks.shape
    out = np.empty((tiles, n_blocks, n_rows * size), np.uint8)
    swapped = blocks.transpose(0, 2, 1, 3)
    out[..., :8].reshape(tiles, n_blocks, n_rows, 2)[...] = swapped[..., :2]
    out[..., 8:].reshape(tiles, n_blocks, n_rows, size - 2)[...] = swapped[..., 2:]
    return out


_Q4_K_TILE = np.dtype(
    [
        ("d", "u1", (4, 2)),
        ("dmin", "u1", (4, 2)),
        ("s6", "u1", (48,)),
        ("qs", "V32", (4, 4)),  # [g][row]: values 64g to 64g + 63 of a row
    ]
)
_Q4_K_BLOCK = np.dtype(
    [("d", "u1", (2,)), ("dmin", "u1", (2,)), ("scales", "u1", (12,)), ("qs", "V32", (4,))]
)


def _q4_k(blocks: Bytes) -> Bytes:
    """q4_k_r4: scales and mins of the 8 sub-blocks regrouped so that a vector holds 4 x 4 rows."""
    source = np.ascontiguousarray(blocks).view(_Q4_K_BLOCK)[..., 0].transpose(0, 2, 1)
    out = np.empty(source.shape[:2], _Q4_K_TILE)
    out["d"] = source["d"]
    out["dmin"] = source["dmin"]
    out["qs"] = source["qs"].transpose(0, 1, 3, 2)  # (tile, block, row, g) -> (.., g, row)
    # (tile, block, j, row): sub-blocks j and j + 4 of the packed 6-bit scales and mins.
    s = np.ascontiguousarray(source["scales"].transpose(0, 1, 3, 2))
    first, second, third = s[:, :, 0:4], s[:, :, 4:8], s[:, :, 8:12]
    sc_low, mn_low = first & 63, second & 63
    sc_high = (third & 15) | (first >> 6 << 4)
    mn_high = (third >> 4) | (second >> 6 << 4)
    packed = np.concatenate(
        [
            sc_low | (mn_high & 3) << 6,
            sc_high | (mn_high >> 2 & 3) << 6,
            mn_low | (mn_high >> 4) << 6,
        ],
        axis=2,
    )
    out["s6"] = packed.reshape(*packed.shape[:2], 48)
    return out.view(np.uint8)


_Q6_K_TILE = np.dtype([("d", "u1", (4, 2)), ("sc", "u1", (16, 4)), ("qs", "u1", (16, 3, 16))])


def _q6_k(blocks: Bytes) -> Bytes:
    """q6_k_r4: 6-bit values of rows 0 to 2 in three bytes, those of row 3 in their upper bits."""
    tiles, _, n_blocks, _ = blocks.shape
    out = np.empty((tiles, n_blocks), _Q6_K_TILE)
    swapped = blocks.transpose(0, 2, 1, 3)
    out["d"] = swapped[..., 208:210]
    out["sc"] = swapped[..., 192:208].transpose(0, 1, 3, 2)
    w = [_q6_k_values(blocks[:, row]) for row in range(TILE_ROWS)]
    qs = out["qs"]
    for i in range(3):
        top = w[3] if i == 0 else w[3] >> (2 * i)
        packed = top << 6  # uint8: only the two lowest bits of top stay
        packed |= w[i]
        qs[:, :, :, i, :] = packed.reshape(tiles, n_blocks, 16, 16)
    return out.view(np.uint8)


def _q6_k_values(blocks: Bytes) -> Bytes:
    """(tile, block, 210) of one row -> its 6-bit values (tile, block, 256), 0 to 63."""
    low = blocks[..., :128].reshape(*blocks.shape[:2], 2, 2, 32)  # [half][run pair]
    high = blocks[..., 128:192].reshape(*blocks.shape[:2], 2, 32)
    q = np.empty((*blocks.shape[:2], 2, 4, 32), np.uint8)  # [half][run][lane]
    np.bitwise_and(low, 15, out=q[..., 0:2, :])
    np.right_shift(low, 4, out=q[..., 2:4, :])
    for run in range(4):
        # Two bits of this run, moved to bits 4 and 5.
        bits = high << (4 - 2 * run) if run < 2 else high >> (2 * run - 4)
        bits &= 0x30
        q[..., run, :] |= bits
    return q.reshape(*blocks.shape[:2], 256)
