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

struct tile_q4_1 {
    uint16_t d[8], m[8];
    uint8_t qs[8][4][4]; // as in tile_q4_0
};
static_assert(sizeof(struct tile_q4_1) == 8 * 20, "eight GGUF blocks, no padding");

// Five bits: bit g of qh is for column group g, and is set where the weight lacks 16: then q - 16
// is the nibble below ones.
struct tile_q5_0 {
    uint16_t d[8];
    uint8_t qh[2][4][4]; // [rows 0..3, 4..7][row][column]
    uint8_t qs[8][4][4]; // [column group][row][column]: low nibble: row r, high: row r + 4
};
static_assert(sizeof(struct tile_q5_0) == 8 * 22, "eight GGUF blocks, no padding");

struct tile_q5_1 {
    uint16_t d[8], m[8];
    uint8_t qh[2][4][4], qs[8][4][4]; // as in tile_q5_0
};
static_assert(sizeof(struct tile_q5_1) == 8 * 24, "eight GGUF blocks, no padding");

// Nibbles are places in iq4_values.
struct tile_iq4_nl {
    uint16_t d[8];
    uint8_t qs[8][4][4]; // [column group][row][column]: low nibble: row r, high: row r + 4
};
static_assert(sizeof(struct tile_iq4_nl) == 8 * 18, "eight GGUF blocks, no padding");

struct tile_q2_k {
    uint16_t d[8], dmin[8];
    uint8_t sc[16][8];       // [sub-block of 16 columns][row]: low nibble: scale, high: min
    uint8_t qs[16][2][4][4]; // [sub-block][rows 4h..][row][column]: bits 2g: column group g
};
static_assert(sizeof(struct tile_q2_k) == 8 * 84, "eight GGUF blocks, no padding");

// Eight weights of three bits in three bytes: [column group][half of the rows] 0, 0 in the low
// three bits of the first byte, 0, 1 in the next three, 1, 0 .. 2, 1 in the other bytes likewise;
// 3, 0 and 3, 1 are the six bits that the tops of the three make.
struct tile_q3_k {
    uint16_t d[8];
    uint8_t s6[2][3][2][8];  // scales + 32 of 8 sub-blocks: as q6_k's quants, [vector][sub-block]
    uint8_t qs[16][3][4][4]; // [sub-block of 16 columns][byte][row][column]
};
static_assert(sizeof(struct tile_q3_k) == 8 * 110, "eight GGUF blocks, no padding");

struct tile_q4_k {
    uint16_t d[8], dmin[8];
    uint8_t s6[2][48];      // per four rows: 6-bit scales and mins of 8 sub-blocks: tile_s6_scale()
    uint8_t qs[8][8][4][4]; // [sub-block of 32][column group][row][column], nibbles as in tile_q4_0
};
static_assert(sizeof(struct tile_q4_k) == 8 * 144, "eight GGUF blocks, no padding");

struct tile_q5_k {
    uint16_t d[8], dmin[8];
    uint8_t s6[2][48];                      // as in tile_q4_k
    uint8_t qh[8][2][4][4], qs[8][8][4][4]; // a sub-block is as in tile_q5_0
};
static_assert(sizeof(struct tile_q5_k) == 8 * 176, "eight GGUF blocks, no padding");

struct tile_q6_k {
    uint16_t d[8];
    int8_t sc[16][8]; // [sub-block of 16 columns][row]
    // [sub-block][rows 4g .. 4g + 3][i][row][column]: column groups 0..2 in the low six bits, group
    // 3 in their top two: tile_six_bits()
    uint8_t qs[16][2][3][4][4];
};
static_assert(sizeof(struct tile_q6_k) == 8 * 210, "eight GGUF blocks, no padding");

struct tile_iq4_xs {
    uint16_t d[8];
    uint8_t s6[3][2][8];    // scales + 32 of 8 sub-blocks, as in tile_q3_k
    uint8_t qs[8][8][4][4]; // a sub-block is as in tile_iq4_nl
};
static_assert(sizeof(struct tile_iq4_xs) == 8 * 136, "eight GGUF blocks, no padding");

// Rows of one tile.
static inline int tile_rows(uint32_t type)
{
    const bool floats = type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16;
    return floats ? FLOAT_TILE_ROWS : QUANT_TILE_ROWS;
}

// Columns of one block: 1 of the floats.
static inline int tile_block_cols(uint32_t type)
{
    switch (type) {
    case TYPE_F32:
    case TYPE_F16:
    case TYPE_BF16:
        return 1;
    case TYPE_Q2_K:
    case TYPE_Q3_K:
    case TYPE_Q4_K:
    case TYPE_Q5_K:
    case TYPE_Q6_K:
    case TYPE_IQ4_XS:
        return QK_K;
    default:
        return QK8_0;
    }
}

// Bytes of one block of all rows of a tile.
static inline size_t tile_block_bytes(uint32_t type)
{
    switch (type) {
    case TYPE_F16:
    case TYPE_BF16:
        return FLOAT_TILE_ROWS * sizeof(uint16_t);
    case TYPE_Q4_0:
        return sizeof(struct tile_q4_0);
    case TYPE_Q4_1:
        return sizeof(struct tile_q4_1);
    case TYPE_Q5_0:
        return sizeof(struct tile_q5_0);
    case TYPE_Q5_1:
        return sizeof(struct tile_q5_1);
    case TYPE_Q8_0:
        return sizeof(struct tile_q8_0);
    case TYPE_IQ4_NL:
        return sizeof(struct tile_iq4_nl);
    case TYPE_Q2_K:
        return sizeof(struct tile_q2_k);
    case TYPE_Q3_K:
        return sizeof(struct tile_q3_k);
    case TYPE_Q4_K:
        return sizeof(struct tile_q4_k);
    case TYPE_Q5_K:
        return sizeof(struct tile_q5_k);
    case TYPE_Q6_K:
        return sizeof(struct tile_q6_k);
    case TYPE_IQ4_XS:
        return sizeof(struct tile_iq4_xs);
    default:
        return FLOAT_TILE_ROWS * sizeof(float);
    }
}

// Bytes of one tile of n_cols.
static inline size_t tile_row_bytes(uint32_t type, size_t n_cols)
{
    return n_cols / (size_t)tile_block_cols(type) * tile_block_bytes(type);
}
