// Weights in row tiles: four rows interleaved by the host, so that a vector lane is an output row.
//
// A matrix of n_rows x n_cols is [n_rows padded to 4 / 4][blocks of a row], one struct per block:
// float and half types are simply [n_cols][4]. Values are those of the GGUF blocks, only moved.
#pragma once

#include "nn/model.h"

#define TILE_ROWS 4
#define QK8_0     32
#define QK_K      256

struct tile_q8_0 {
    uint16_t d[4]; // per row: scale, IEEE half
    int8_t qs[4][32];
};
static_assert(sizeof(struct tile_q8_0) == 4 * 34, "four GGUF blocks, no padding");

struct tile_q4_0 {
    uint16_t d[4];
    uint8_t qs[4][16]; // low nibbles: elements 0..15, high: 16..31
};
static_assert(sizeof(struct tile_q4_0) == 4 * 18, "four GGUF blocks, no padding");

struct tile_q4_k {
    uint16_t d[4], dmin[4];
    uint8_t s6[48]; // 6-bit scales and mins of 8 sub-blocks of 4 rows: q4_k_scale(), q4_k_min()
    uint8_t qs[4][4][32]; // [g][row]: low nibbles: elements 64g + 0..31, high: 64g + 32..63
};
static_assert(sizeof(struct tile_q4_k) == 4 * 144, "four GGUF blocks, no padding");

struct tile_q6_k {
    uint16_t d[4];
    int8_t sc[16][4];      // [sub-block of 16 elements][row]
    uint8_t qs[16][3][16]; // three rows in the low 6 bits, the fourth in their top 2: q6_k_quant()
};
static_assert(sizeof(struct tile_q6_k) == 4 * 210, "four GGUF blocks, no padding");

// Sub-block j = 0..7 of row r.
static inline int q4_k_scale(const struct tile_q4_k *tile, int j, int r)
{
    return tile->s6[4 * j + r] & 63;
}

static inline int q4_k_min(const struct tile_q4_k *tile, int j, int r)
{
    const uint8_t *s = tile->s6;
    if (j < 4) {
        return s[32 + 4 * j + r] & 63;
    }
    const int i = 4 * (j - 4) + r; // two bits each in the tops of the three vectors
    return s[i] >> 6 | s[16 + i] >> 6 << 2 | s[32 + i] >> 6 << 4;
}

// Element i = 0..255 of row r: 0..15.
static inline int q4_k_quant(const struct tile_q4_k *tile, int i, int r)
{
    return tile->qs[i / 64][r][i % 32] >> (i % 64 < 32 ? 0 : 4) & 15;
}

// Element i = 0..31 of row r: 0..15, the weight being (q - 8) * d.
static inline int q4_0_quant(const struct tile_q4_0 *tile, int i, int r)
{
    return tile->qs[r][i % 16] >> (i < 16 ? 0 : 4) & 15;
}

// Element i = 0..255 of row r: 0..63, the weight being (q - 32) * scale * d.
static inline int q6_k_quant(const struct tile_q6_k *tile, int i, int r)
{
    const uint8_t(*v)[16] = tile->qs[i / 16];
    const int k = i % 16;
    return r < 3 ? v[r][k] & 63 : v[0][k] >> 6 | v[1][k] >> 6 << 2 | v[2][k] >> 6 << 4;
}

// Bytes of four rows of n_cols.
static inline size_t tile_row_bytes(uint32_t type, size_t n_cols)
{
    switch (type) {
    case TYPE_F16:
    case TYPE_BF16:
        return n_cols * TILE_ROWS * sizeof(uint16_t);
    case TYPE_Q8_0:
        return n_cols / QK8_0 * sizeof(struct tile_q8_0);
    case TYPE_Q4_0:
        return n_cols / QK8_0 * sizeof(struct tile_q4_0);
    case TYPE_Q4_K:
        return n_cols / QK_K * sizeof(struct tile_q4_k);
    case TYPE_Q6_K:
        return n_cols / QK_K * sizeof(struct tile_q6_k);
    default:
        return n_cols * TILE_ROWS * sizeof(float);
    }
}
