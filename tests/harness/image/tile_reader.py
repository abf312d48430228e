"""Row tiles read back one weight at a time, from the description of the format alone.

Slow on purpose: nothing here resembles the packing, so that a fault cannot hide in both.
"""

import struct
from collections.abc import Callable

from harness.gguf import GGMLType


def half(tile: bytes, at: int) -> float:
    value: float = struct.unpack_from("<e", tile, at)[0]
    return value


def int8(tile: bytes, at: int) -> int:
    value: int = struct.unpack_from("<b", tile, at)[0]
    return value


def f32(tile: bytes, row: int, col: int) -> float:
    value: float = struct.unpack_from("<f", tile, (col * 4 + row) * 4)[0]
    return value


def f16(tile: bytes, row: int, col: int) -> float:
    return half(tile, (col * 4 + row) * 2)


def bf16(tile: bytes, row: int, col: int) -> float:
    upper = tile[(col * 4 + row) * 2 :][:2]
    value: float = struct.unpack("<f", b"\0\0" + upper)[0]
    return value


def q8_0(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[4]; int8 qs[4][32]; }"""
    base = col // 32 * 136
    return half(tile, base + 2 * row) * int8(tile, base + 8 + 32 * row + col % 32)


def q4_0(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[4]; u8 qs[4][16]; }, low nibbles = 0..15"""
    base, i = col // 32 * 72, col % 32
    byte = tile[base + 8 + 16 * row + i % 16]
    q = byte & 15 if i < 16 else byte >> 4
    return half(tile, base + 2 * row) * (q - 8)


def q4_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[4]; u16 dmin[4]; u8 s6[48]; u8 qs[4][4][32]; }"""
    base, element = col // 256 * 576, col % 256
    s6 = tile[base + 16 : base + 64]
    sub_block = element // 32
    if sub_block < 4:
        i = 4 * sub_block + row
        scale, minimum = s6[i] & 63, s6[32 + i] & 63
    else:
        i = 4 * (sub_block - 4) + row
        scale = s6[16 + i] & 63
        minimum = s6[i] >> 6 | (s6[16 + i] >> 6) << 2 | (s6[32 + i] >> 6) << 4
    g, j = element // 64, element % 64
    byte = tile[base + 64 + (g * 4 + row) * 32 + j % 32]
    q = byte & 15 if j < 32 else byte >> 4
    return half(tile, base + 2 * row) * scale * q - half(tile, base + 8 + 2 * row) * minimum


def q6_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[4]; int8 sc[16][4]; u8 qs[16][3][16]; }"""
    base, element = col // 256 * 840, col % 256
    j, i = element // 16, element % 16
    parts = [tile[base + 72 + (j * 3 + part) * 16 + i] for part in range(3)]
    fourth = parts[0] >> 6 | (parts[1] >> 6) << 2 | (parts[2] >> 6) << 4
    q = parts[row] & 63 if row < 3 else fourth
    return half(tile, base + 2 * row) * int8(tile, base + 8 + 4 * j + row) * (q - 32)


READERS: dict[GGMLType, Callable[[bytes, int, int], float]] = {
    GGMLType.F32: f32,
    GGMLType.F16: f16,
    GGMLType.BF16: bf16,
    GGMLType.Q8_0: q8_0,
    GGMLType.Q4_0: q4_0,
    GGMLType.Q4_K: q4_k,
    GGMLType.Q6_K: q6_k,
}


def read_tiles(kind: GGMLType, tiles: bytes, n_rows: int, n_cols: int) -> list[list[float]]:
    """All rows, those that fill the last tile included."""
    tile_bytes = 4 * n_cols // kind.block_size * kind.block_bytes
    assert len(tiles) % tile_bytes == 0
    read = READERS[kind]
    return [
        [read(tiles[row // 4 * tile_bytes :][:tile_bytes], row % 4, col) for col in range(n_cols)]
        for row in range(n_rows)
    ]
