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
    """struct { u16 d[8]; int8 qs[8][8][4]; }, [column / 4][row][column % 4]"""
    base, i = col // 32 * 272, col % 32
    q = int8(tile, base + 16 + i // 4 * 32 + 4 * row + i % 4)
    return half(tile, base + 2 * row) * q


def nibble(byte: int, row: int) -> int:
    """Rows 0..3 in the low nibble, 4..7 in the high one with its top bit flipped."""
    return byte % 16 if row < 4 else (byte // 16 + 8) % 16


def q4_0(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u8 qs[8][4][4]; }, nibble() of [column / 4][row % 4][column % 4]"""
    base, i = col // 32 * 144, col % 32
    q = nibble(tile[base + 16 + i // 4 * 16 + 4 * (row % 4) + i % 4], row)
    return half(tile, base + 2 * row) * (q - 8)


def q4_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 dmin[8]; u8 s6[2][48]; u8 qs[8][8][4][4]; }"""
    base, element = col // 256 * 1152, col % 256
    s6 = tile[base + 32 + 48 * (row // 4) :][:48]
    sub_block = element // 32
    if sub_block < 4:
        i = 4 * sub_block + row % 4
        scale, minimum = s6[i] & 63, s6[32 + i] & 63
    else:
        i = 4 * (sub_block - 4) + row % 4
        scale = s6[16 + i] & 63
        minimum = s6[i] >> 6 | (s6[16 + i] >> 6) << 2 | (s6[32 + i] >> 6) << 4
    q = nibble(tile[base + 128 + element // 4 * 16 + 4 * (row % 4) + element % 4], row)
    return half(tile, base + 2 * row) * scale * q - half(tile, base + 16 + 2 * row) * minimum


def q6_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; int8 sc[16][8]; u8 qs[16][2][3][4][4]; }"""
    base, element = col // 256 * 1680, col % 256
    j, group, i = element // 16, element % 16 // 4, element % 4
    vectors = base + 144 + 96 * j + 48 * (row // 4)
    parts = [tile[vectors + 16 * part + 4 * (row % 4) + i] for part in range(3)]
    fourth = parts[0] >> 6 | (parts[1] >> 6) << 2 | (parts[2] >> 6) << 4
    q = parts[group] & 63 if group < 3 else fourth
    return half(tile, base + 2 * row) * int8(tile, base + 16 + 8 * j + row) * (q - 32)


READERS: dict[GGMLType, Callable[[bytes, int, int], float]] = {
    GGMLType.F32: f32,
    GGMLType.F16: f16,
    GGMLType.BF16: bf16,
    GGMLType.Q8_0: q8_0,
    GGMLType.Q4_0: q4_0,
    GGMLType.Q4_K: q4_k,
    GGMLType.Q6_K: q6_k,
}


def height(kind: GGMLType) -> int:
    """Rows of a tile."""
    return 4 if kind in (GGMLType.F32, GGMLType.F16, GGMLType.BF16) else 8


def read_tiles(kind: GGMLType, tiles: bytes, n_rows: int, n_cols: int) -> list[list[float]]:
    """All rows, those that fill the last tile included."""
    rows = height(kind)
    tile_bytes = rows * n_cols // kind.block_size * kind.block_bytes
    assert len(tiles) % tile_bytes == 0
    read = READERS[kind]
    found = []
    for row in range(n_rows):
        tile = tiles[row // rows * tile_bytes :][:tile_bytes]
        found.append([read(tile, row % rows, col) for col in range(n_cols)])
    return found
