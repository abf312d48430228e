// Weights in row tiles: rows interleaved by the host, so that a vector lane is an output row.
//
// A matrix of n_rows x n_cols is [n_rows padded / rows of a tile][blocks of a row], one struct per
// block: float and half types are simply [n_cols][4]. Values are those of the GGUF blocks, only
// moved. A 16-byte vector of quants is [row 0..3][column 0..3] of a column group: four columns of
// four rows, as SDOT by lane takes them, and SMULL with four activations repeated.
#pragma once

#include "nn/model.h"

#define FLOAT_TILE_ROWS 4 // F32, F16, BF16
#define QUANT_TILE_ROWS 8 // the other types
#define MAX_TILE_ROWS   8
#define GEMM_TOKENS     4 // share a load of weights; fewer cost as much. 8 x 4 sums fit the registers
#define QK8_0           32
#define QK_K            256

struct tile_q8_0 {
    uint16_t d[8];      // per row: scale, IEEE half
    int8_t qs[8][8][4]; // [column group][row][column]
};
static_assert(sizeof(struct tile_q8_0) == 8 * 34, "eight GGUF blocks, no padding");

// A nibble of the upper rows is stored xor 8: as a signed nibble it is q - 8.
struct tile_q4_0 {
    uint16_t d[8];
    uint8_t qs[8][4][4]; // [column group][row][column]: low nibble: row r, high: row r + 4, xor 8
};
static_assert(sizeof(struct tile_q4_0) == 8 * 18, "eight GGUF blocks, no padding");

struct tile_q4_k {
    uint16_t d[8], dmin[8];
    uint8_t s6[2][48];      // per four rows: 6-bit scales and mins of 8 sub-blocks: q4_k_scale()
    uint8_t qs[8][8][4][4]; // [sub-block of 32][column group][row][column], nibbles as in tile_q4_0
};
static_assert(sizeof(struct tile_q4_k) == 8 * 144, "eight GGUF blocks, no padding");

struct tile_q6_k {
    uint16_t d[8];
    int8_t sc[16][8]; // [sub-block of 16 columns][row]
    // [sub-block][rows 4g .. 4g + 3][i][row][column]: column groups 0..2 in the low six bits, group
    // 3 in their top two: q6_k_quant()
    uint8_t qs[16][2][3][4][4];
};
static_assert(sizeof(struct tile_q6_k) == 8 * 210, "eight GGUF blocks, no padding");

// Sub-block j = 0..7 of row r.
static inline int q4_k_scale(const struct tile_q4_k *tile, int j, int r)
{
    return tile->s6[r / 4][4 * j + r % 4] & 63;
}

static inline int q4_k_min(const struct tile_q4_k *tile, int j, int r)
{
    const uint8_t *s = tile->s6[r / 4];
    if (j < 4) {
        return s[32 + 4 * j + r % 4] & 63;
    }
    const int i = 4 * (j - 4) + r % 4; // two bits each in the tops of the three vectors
    return s[i] >> 6 | s[16 + i] >> 6 << 2 | s[32 + i] >> 6 << 4;
}

static inline int tile_nibble(uint8_t byte, int r)
{
    return r < 4 ? byte & 15 : byte >> 4 ^ 8;
}

// Element i = 0..255 of row r: 0..15.
static inline int q4_k_quant(const struct tile_q4_k *tile, int i, int r)
{
    return tile_nibble(tile->qs[i / 32][i % 32 / 4][r % 4][i % 4], r);
}

// Element i = 0..31 of row r: 0..15, the weight being (q - 8) * d.
static inline int q4_0_quant(const struct tile_q4_0 *tile, int i, int r)
{
    return tile_nibble(tile->qs[i / 4][r % 4][i % 4], r);
}

// Element i = 0..31 of row r: -128..127.
static inline int q8_0_quant(const struct tile_q8_0 *tile, int i, int r)
{
    return tile->qs[i / 4][r][i % 4];
}

// Element i = 0..255 of row r: 0..63, the weight being (q - 32) * scale * d.
static inline int q6_k_quant(const struct tile_q6_k *tile, int i, int r)
{
    const uint8_t(*v)[4][4] = tile->qs[i / 16][r / 4];
    const int group = i % 16 / 4, row = r % 4, k = i % 4;
    return group < 3 ? v[group][row][k] & 63
                     : v[0][row][k] >> 6 | v[1][row][k] >> 6 << 2 | v[2][row][k] >> 6 << 4;
}

// Rows of one tile.
static inline int tile_rows(uint32_t type)
{
    const bool floats = type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16;
    return floats ? FLOAT_TILE_ROWS : QUANT_TILE_ROWS;
}

// Bytes of one tile of n_cols.
static inline size_t tile_row_bytes(uint32_t type, size_t n_cols)
{
    switch (type) {
    case TYPE_F16:
    case TYPE_BF16:
        return n_cols * FLOAT_TILE_ROWS * sizeof(uint16_t);
    case TYPE_Q8_0:
        return n_cols / QK8_0 * sizeof(struct tile_q8_0);
    case TYPE_Q4_0:
        return n_cols / QK8_0 * sizeof(struct tile_q4_0);
    case TYPE_Q4_K:
        return n_cols / QK_K * sizeof(struct tile_q4_k);
    case TYPE_Q6_K:
        return n_cols / QK_K * sizeof(struct tile_q6_k);
    default:
        return n_cols * FLOAT_TILE_ROWS * sizeof(float);
    }
}
