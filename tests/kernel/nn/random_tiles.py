"""Random weights of each type in row tiles, packed from their numbers by the definition."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from harness.gguf import GGMLType
from harness.image.tiles import tile_rows
from tests.kernel.nn.tiny_model import Matrix

Array = npt.NDArray[Any]


def by_tile(rows: Array, height: int) -> Array:
    """(n_rows, ...) -> (n_tiles, height, ...), padded with rows of zeros."""
    padding = [(0, -len(rows) % height)] + [(0, 0)] * (rows.ndim - 1)
    padded = np.pad(rows, padding)
    return padded.reshape(-1, height, *rows.shape[1:])


def float_tiles(values: Array) -> bytes:
    """[tile][n_cols][4]"""
    return by_tile(values, 4).swapaxes(1, 2).tobytes()


def join(*fields: Array) -> bytes:
    """Fields of one struct per (tile, block), back to back."""
    n_tiles, n_blocks = fields[0].shape[:2]
    parts = [np.ascontiguousarray(f).view(np.uint8).reshape(n_tiles, n_blocks, -1) for f in fields]
    return np.concatenate(parts, axis=2).tobytes()


def scales(rng: np.random.Generator, n_rows: int, n_blocks: int, size: float) -> Array:
    return (rng.uniform(0.5, 1.5, (n_rows, n_blocks)) * size).astype(np.float16)


def per_block(x: Array) -> Array:
    """(n_rows, n_blocks, ...) -> (tile, block, 8, ...)"""
    return by_tile(x, 8).swapaxes(1, 2)


def column_groups(x: Array) -> Array:
    """(tile, block, row, columns) -> (tile, block, column / 4, row, column % 4)"""
    return x.reshape(*x.shape[:3], -1, 4).swapaxes(2, 3)


def nibbles(q: Array) -> Array:
    """Column groups of eight rows' 4-bit values: rows 0..3 below, 4..7 above, those xor 8."""
    groups = column_groups(per_block(q))
    packed: Array = groups[..., :4, :] | (groups[..., 4:, :] ^ 8) << 4
    return packed


def random_matrix(rng: np.random.Generator, kind: str, n_rows: int, n_cols: int) -> Matrix:
    """Weights of magnitude about 1 / sqrt(n_cols)."""
    size = n_cols**-0.5
    if kind in ("F32", "F16", "BF16"):
        x = rng.normal(0, size, (n_rows, n_cols)).astype(np.float32)
        if kind == "F16":
            half = x.astype(np.float16)
            return Matrix(kind, half.astype(np.float64), float_tiles(half))
        if kind == "BF16":
            upper = (x.view(np.uint32) >> 16).astype(np.uint16)
            value = (upper.astype(np.uint32) << 16).view(np.float32)
            return Matrix(kind, value.astype(np.float64), float_tiles(upper))
        return Matrix(kind, x.astype(np.float64), float_tiles(x))
    if kind in ("Q8_0", "Q4_0", "Q4_K", "Q6_K"):
        make = {"Q8_0": q8_0, "Q4_0": q4_0, "Q4_K": q4_k, "Q6_K": q6_k}[kind]
        return make(rng, n_rows, n_cols, size)
    return from_file_bits(rng, kind, n_rows, n_cols, size)


# type -> (bytes of the halves in a block of the file, magnitude of a weight with d = 1)
HALVES = {
    "Q4_1": ((0, 2), 8), "Q5_0": ((0,), 8), "Q5_1": ((0, 2), 16), "IQ4_NL": ((0,), 64),
    "Q2_K": ((80, 82), 16), "Q3_K": ((108,), 32), "Q5_K": ((0, 2), 512), "IQ4_XS": ((0,), 1024),
}  # fmt: skip


def from_file_bits(
    rng: np.random.Generator, kind: str, n_rows: int, n_cols: int, size: float
) -> Matrix:
    """Any bits of a block in the file, the official package's weights, and the host's packing,
    whose own test reads tiles by the definition.
    """
    number = GGMLType[kind]
    halves, magnitude = HALVES[kind]
    rows = rng.integers(0, 256, (n_rows, number.row_bytes(n_cols)), dtype=np.uint8)
    blocks = rows.reshape(n_rows, -1, number.block_bytes)
    for at in halves:
        d = scales(rng, n_rows, blocks.shape[1], size / magnitude)
        blocks[..., at : at + 2] = d.view(np.uint8).reshape(*d.shape, 2)
    values = dequantize(rows, GGMLQuantizationType(int(number)))
    return Matrix(kind, np.asarray(values, np.float64), tile_rows(number, rows).tobytes())


def q8_0(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 32
    q = rng.integers(-127, 128, (n_rows, n, 32)).astype(np.int8)
    d = scales(rng, n_rows, n, size / 64)
    values = d.astype(np.float64)[..., None] * q
    tiles = join(per_block(d), column_groups(per_block(q)))
    return Matrix("Q8_0", values.reshape(n_rows, n_cols), tiles)


def q4_0(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 32
    q = rng.integers(0, 16, (n_rows, n, 32)).astype(np.uint8)
    d = scales(rng, n_rows, n, size / 4)
    values = d.astype(np.float64)[..., None] * (q.astype(np.float64) - 8)
    return Matrix("Q4_0", values.reshape(n_rows, n_cols), join(per_block(d), nibbles(q)))


def q4_k(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 256
    q = rng.integers(0, 16, (n_rows, n, 8, 32)).astype(np.uint8)
    sc = rng.integers(0, 64, (n_rows, n, 8)).astype(np.uint8)
    mn = rng.integers(0, 64, (n_rows, n, 8)).astype(np.uint8)
    d, dmin = scales(rng, n_rows, n, size / 128), scales(rng, n_rows, n, size / 16)
    values = (d.astype(np.float64)[..., None] * sc)[..., None] * q
    values = values - (dmin.astype(np.float64)[..., None] * mn)[..., None]

    s, m = per_block(sc).swapaxes(2, 3), per_block(mn).swapaxes(2, 3)  # tile, block, 8, row
    high = m[:, :, 4:]
    s6 = np.stack(
        [
            s[:, :, :4] | (high & 3) << 6,
            s[:, :, 4:] | (high >> 2 & 3) << 6,
            m[:, :, :4] | (high >> 4 & 3) << 6,
        ],
        axis=2,
    )  # tile, block, vector, j, row
    halves = np.stack([s6[..., :4], s6[..., 4:]], axis=2)
    tiles = join(per_block(d), per_block(dmin), halves, nibbles(q.reshape(n_rows, n, 256)))
    return Matrix("Q4_K", values.reshape(n_rows, n_cols), tiles)


def q6_k(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 256
    q = rng.integers(0, 64, (n_rows, n, 16, 16)).astype(np.uint8)
    sc = rng.integers(-128, 128, (n_rows, n, 16)).astype(np.int8)
    d = scales(rng, n_rows, n, size / 1024)
    values = (d.astype(np.float64)[..., None] * sc)[..., None] * (q.astype(np.float64) - 32)

    # tile, block, sub-block, column group, row, column
    w = column_groups(per_block(q.reshape(n_rows, n, 256)))
    w = w.reshape(*w.shape[:2], 16, 4, 8, 4)
    top = w[:, :, :, 3]
    vectors = [w[:, :, :, i] | (top >> 2 * i & 3) << 6 for i in range(3)]
    packed = np.stack([np.stack([v[..., :4, :], v[..., 4:, :]], axis=3) for v in vectors], axis=4)
    tiles = join(per_block(d), per_block(sc).swapaxes(2, 3), packed)
    return Matrix("Q6_K", values.reshape(n_rows, n_cols), tiles)
