"""Random weights of each type in row tiles, packed from their numbers by the definition."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tests.kernel.nn.tiny_model import Matrix

Array = npt.NDArray[Any]


def by_tile(rows: Array) -> Array:
    """(n_rows, ...) -> (n_tiles, 4, ...), padded with rows of zeros."""
    padding = [(0, -len(rows) % 4)] + [(0, 0)] * (rows.ndim - 1)
    padded = np.pad(rows, padding)
    return padded.reshape(-1, 4, *rows.shape[1:])


def float_tiles(values: Array) -> bytes:
    """[tile][n_cols][4]"""
    return by_tile(values).swapaxes(1, 2).tobytes()


def join(*fields: Array) -> bytes:
    """Fields of one struct per (tile, block), back to back."""
    n_tiles, n_blocks = fields[0].shape[:2]
    parts = [np.ascontiguousarray(f).view(np.uint8).reshape(n_tiles, n_blocks, -1) for f in fields]
    return np.concatenate(parts, axis=2).tobytes()


def scales(rng: np.random.Generator, n_rows: int, n_blocks: int, size: float) -> Array:
    return (rng.uniform(0.5, 1.5, (n_rows, n_blocks)) * size).astype(np.float16)


def per_block(x: Array) -> Array:
    """(n_rows, n_blocks, ...) -> (tile, block, 4, ...)"""
    return by_tile(x).swapaxes(1, 2)


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
    return {"Q8_0": q8_0, "Q4_0": q4_0, "Q4_K": q4_k, "Q6_K": q6_k}[kind](rng, n_rows, n_cols, size)


def q8_0(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 32
    q = rng.integers(-127, 128, (n_rows, n, 32)).astype(np.int8)
    d = scales(rng, n_rows, n, size / 64)
    values = d.astype(np.float64)[..., None] * q
    return Matrix("Q8_0", values.reshape(n_rows, n_cols), join(per_block(d), per_block(q)))


def q4_0(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 32
    q = rng.integers(0, 16, (n_rows, n, 32)).astype(np.uint8)
    d = scales(rng, n_rows, n, size / 4)
    values = d.astype(np.float64)[..., None] * (q.astype(np.float64) - 8)
    packed = q[..., :16] | q[..., 16:] << 4
    return Matrix("Q4_0", values.reshape(n_rows, n_cols), join(per_block(d), per_block(packed)))


def q4_k(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 256
    q = rng.integers(0, 16, (n_rows, n, 8, 32)).astype(np.uint8)
    sc = rng.integers(0, 64, (n_rows, n, 8)).astype(np.uint8)
    mn = rng.integers(0, 64, (n_rows, n, 8)).astype(np.uint8)
    d, dmin = scales(rng, n_rows, n, size / 128), scales(rng, n_rows, n, size / 16)
    values = (d.astype(np.float64)[..., None] * sc)[..., None] * q
    values = values - (dmin.astype(np.float64)[..., None] * mn)[..., None]

    pairs = q.reshape(n_rows, n, 4, 2, 32)
    nibbles = per_block(pairs[..., 0, :] | pairs[..., 1, :] << 4)  # tile, block, row, g, 32
    s, m = per_block(sc).swapaxes(2, 3), per_block(mn).swapaxes(2, 3)  # tile, block, 8, row
    high = m[:, :, 4:]
    s6 = np.stack(
        [
            s[:, :, :4] | (high & 3) << 6,
            s[:, :, 4:] | (high >> 2 & 3) << 6,
            m[:, :, :4] | (high >> 4 & 3) << 6,
        ],
        axis=2,
    )
    tiles = join(per_block(d), per_block(dmin), s6, nibbles.swapaxes(2, 3))
    return Matrix("Q4_K", values.reshape(n_rows, n_cols), tiles)


def q6_k(rng: np.random.Generator, n_rows: int, n_cols: int, size: float) -> Matrix:
    n = n_cols // 256
    q = rng.integers(0, 64, (n_rows, n, 16, 16)).astype(np.uint8)
    sc = rng.integers(-128, 128, (n_rows, n, 16)).astype(np.int8)
    d = scales(rng, n_rows, n, size / 1024)
    values = (d.astype(np.float64)[..., None] * sc)[..., None] * (q.astype(np.float64) - 32)

    w = per_block(q).swapaxes(2, 3)  # tile, block, sub-block, row, 16
    top = w[..., 3, :]
    packed = np.stack(
        [w[..., r, :] | (top >> 2 * r & 3) << 6 for r in range(3)],
        axis=-2,
    )
    tiles = join(per_block(d), per_block(sc).swapaxes(2, 3), packed)
    return Matrix("Q6_K", values.reshape(n_rows, n_cols), tiles)
