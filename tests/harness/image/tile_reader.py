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


def q4_1(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 m[8]; u8 qs[8][4][4]; }, as q4_0"""
    base, i = col // 32 * 160, col % 32
    q = nibble(tile[base + 32 + i // 4 * 16 + 4 * (row % 4) + i % 4], row)
    return half(tile, base + 2 * row) * q + half(tile, base + 16 + 2 * row)


def plain_nibble(byte: int, row: int) -> int:
    """Rows 0..3 in the low nibble, 4..7 in the high one."""
    return byte % 16 if row < 4 else byte // 16


def five_bits(qh: bytes, qs: bytes, row: int, i: int) -> int:
    """u8 qh[2][4][4], qs[8][4][4]; bit i / 4 of [row / 4][row % 4][i % 4] is set for a weight
    below 16
    """
    low = plain_nibble(qs[i // 4 * 16 + row % 4 * 4 + i % 4], row)
    below = qh[row * 4 + i % 4] >> i // 4 & 1
    return low + 16 * (1 - below)


def q5_0(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u8 qh[2][4][4]; u8 qs[8][4][4]; }"""
    base = col // 32 * 176
    q = five_bits(tile[base + 16 :], tile[base + 48 :], row, col % 32)
    return half(tile, base + 2 * row) * (q - 16)


def q5_1(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 m[8]; u8 qh[2][4][4]; u8 qs[8][4][4]; }"""
    base = col // 32 * 192
    q = five_bits(tile[base + 32 :], tile[base + 64 :], row, col % 32)
    return half(tile, base + 2 * row) * q + half(tile, base + 16 + 2 * row)


IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def iq4_nl(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u8 qs[8][4][4]; }"""
    base, i = col // 32 * 144, col % 32
    byte = tile[base + 16 + i // 4 * 16 + 4 * (row % 4) + i % 4]
    return half(tile, base + 2 * row) * IQ4[plain_nibble(byte, row)]


def six_of_three(parts: list[int], i: int) -> int:
    """Numbers 0..2 in the low six bits of three bytes, number 3 in their tops."""
    fourth = parts[0] // 64 + parts[1] // 64 * 4 + parts[2] // 64 * 16
    return parts[i] % 64 if i < 3 else fourth


def iq4_xs(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u8 s6[3][2][8]; u8 qs[8][8][4][4]; }"""
    base, element = col // 256 * 1088, col % 256
    j = element // 32
    scale = six_of_three([tile[base + 16 + 16 * v + 8 * (j % 2) + row] for v in range(3)], j // 2)
    byte = tile[base + 64 + element // 4 * 16 + 4 * (row % 4) + element % 4]
    return half(tile, base + 2 * row) * (scale - 32) * IQ4[plain_nibble(byte, row)]


def q2_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 dmin[8]; u8 sc[16][8]; u8 qs[16][2][4][4]; }"""
    base, element = col // 256 * 672, col % 256
    sc = tile[base + 32 + element // 16 * 8 + row]
    byte = tile[base + 160 + element // 16 * 32 + 4 * row + element % 4]
    q = byte >> 2 * (element % 16 // 4) & 3
    return half(tile, base + 2 * row) * (sc % 16) * q - half(tile, base + 16 + 2 * row) * (sc // 16)


def q3_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u8 s6[2][3][2][8]; u8 qs[16][3][4][4]; }"""
    base, element = col // 256 * 880, col % 256
    j = element // 16
    s6 = base + 16 + j // 8 * 48 + 8 * (j % 2) + row
    scale = six_of_three([tile[s6 + 16 * v] for v in range(3)], j % 8 // 2)
    qs = base + 112 + 48 * j + 4 * (row % 4) + element % 4
    both = six_of_three([tile[qs + 16 * v] for v in range(3)], element % 16 // 4)
    q = both % 8 if row < 4 else both // 8
    return half(tile, base + 2 * row) * (scale - 32) * (q - 4)


def q5_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 dmin[8]; u8 s6[2][48]; u8 qh[8][2][4][4]; u8 qs[8][8][4][4]; }"""
    base, j = col // 256 * 1408, col % 256 // 32
    scale, minimum = scale_and_min(tile[base + 32 + 48 * (row // 4) :][:48], row, j)
    q = five_bits(tile[base + 128 + 32 * j :], tile[base + 384 + 128 * j :], row, col % 32)
    return half(tile, base + 2 * row) * scale * q - half(tile, base + 16 + 2 * row) * minimum


def scale_and_min(s6: bytes, row: int, sub_block: int) -> tuple[int, int]:
    """u8 s6[48] of four rows: three vectors [sub-block % 4][row] of 6 + 2 bits."""
    if sub_block < 4:
        i = 4 * sub_block + row % 4
        return s6[i] & 63, s6[32 + i] & 63
    i = 4 * (sub_block - 4) + row % 4
    return s6[16 + i] & 63, s6[i] >> 6 | (s6[16 + i] >> 6) << 2 | (s6[32 + i] >> 6) << 4


def q4_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; u16 dmin[8]; u8 s6[2][48]; u8 qs[8][8][4][4]; }"""
    base, element = col // 256 * 1152, col % 256
    scale, minimum = scale_and_min(tile[base + 32 + 48 * (row // 4) :][:48], row, element // 32)
    q = nibble(tile[base + 128 + element // 4 * 16 + 4 * (row % 4) + element % 4], row)
    return half(tile, base + 2 * row) * scale * q - half(tile, base + 16 + 2 * row) * minimum


def q6_k(tile: bytes, row: int, col: int) -> float:
    """struct { u16 d[8]; int8 sc[16][8]; u8 qs[16][2][3][4][4]; }"""
    base, element = col // 256 * 1680, col % 256
    j, group, i = element // 16, element % 16 // 4, element % 4
    vectors = base + 144 + 96 * j + 48 * (row // 4)
    parts = [tile[vectors + 16 * part + 4 * (row % 4) + i] for part in range(3)]
    q = six_of_three(parts, group)
    return half(tile, base + 2 * row) * int8(tile, base + 16 + 8 * j + row) * (q - 32)


READERS: dict[GGMLType, Callable[[bytes, int, int], float]] = {
    GGMLType.F32: f32,
    GGMLType.F16: f16,
    GGMLType.BF16: bf16,
    GGMLType.Q8_0: q8_0,
    GGMLType.Q4_0: q4_0,
    GGMLType.Q4_1: q4_1,
    GGMLType.Q5_0: q5_0,
    GGMLType.Q5_1: q5_1,
    GGMLType.IQ4_NL: iq4_nl,
    GGMLType.Q2_K: q2_k,
    GGMLType.Q3_K: q3_k,
    GGMLType.Q4_K: q4_k,
    GGMLType.Q5_K: q5_k,
    GGMLType.Q6_K: q6_k,
    GGMLType.IQ4_XS: iq4_xs,
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
