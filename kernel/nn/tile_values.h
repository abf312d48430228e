// What a weight in a row tile is made of, for the portable form of every operation:
//
//   weight = d * q                            Q4_0 Q5_0 Q8_0 IQ4_NL
//   weight = d * q + m                        Q4_1 Q5_1
//   weight = (d * scale) * q                  Q3_K Q6_K IQ4_XS
//   weight = (d * scale) * q - dmin * min     Q2_K Q4_K Q5_K
//
// with q, scale and min integers. d comes first in every tile, m or dmin next. The type is a
// constant wherever it is used in a loop.
#pragma once

#include "lib/f16.h"
#include "nn/tiles.h"

#define TYPE_CONSTANT static inline __attribute__((always_inline))

// The weights of IQ4_NL and IQ4_XS.
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

// d of row r: which = 0; m or dmin: which = 1.
static inline float tile_half(const void *tile, int which, int r)
{
    return f16_to_f32(((const uint16_t *)tile)[8 * which + r]);
}

// Columns that share a scale.
static inline int tile_sub_block(uint32_t type)
{
    return type == TYPE_Q2_K || type == TYPE_Q3_K || type == TYPE_Q6_K ? 16 : 32;
}

static inline bool tile_has_min(uint32_t type)
{
    return type == TYPE_Q4_1 || type == TYPE_Q5_1 || type == TYPE_Q2_K || type == TYPE_Q4_K ||
           type == TYPE_Q5_K;
}

static inline int tile_nibble(uint8_t byte, int r)
{
    return r < 4 ? byte & 15 : byte >> 4;
}

// A byte of which the upper row is stored xor 8.
static inline int tile_nibble_xor(uint8_t byte, int r)
{
    return r < 4 ? byte & 15 : byte >> 4 ^ 8;
}

// Column i = 0..31 of row r, less 16.
static inline int tile_five_bits(const uint8_t qh[2][4][4], const uint8_t qs[8][4][4], int i, int r)
{
    const int group = i / 4, lacks = qh[r / 4][r % 4][i % 4] >> group & 1;
    return tile_nibble(qs[group][r % 4][i % 4], r) - 16 * lacks;
}

// Number i = 0..3 of those that three bytes hold: six bits each, the last one in their tops.
static inline int tile_six_bits(uint8_t b0, uint8_t b1, uint8_t b2, int i)
{
    const uint8_t bytes[3] = {b0, b1, b2};
    return i < 3 ? bytes[i] & 63 : b0 >> 6 | b1 >> 6 << 2 | b2 >> 6 << 4;
}

// Column i = 0..255 of row r, less 4.
static inline int q3_k_quant(const struct tile_q3_k *tile, int i, int r)
{
    const uint8_t(*v)[4][4] = tile->qs[i / 16];
    const int group = i % 16 / 4, row = r % 4, k = i % 4;
    const int two = tile_six_bits(v[0][row][k], v[1][row][k], v[2][row][k], group);
    return (two >> (r < 4 ? 0 : 3) & 7) - 4;
}

// Column i = 0..255 of row r, less 32.
static inline int q6_k_quant(const struct tile_q6_k *tile, int i, int r)
{
    const uint8_t(*v)[4][4] = tile->qs[i / 16][r / 4];
    const int row = r % 4, k = i % 4;
    return tile_six_bits(v[0][row][k], v[1][row][k], v[2][row][k], i % 16 / 4) - 32;
}

// q of column i of a block, row r.
TYPE_CONSTANT int tile_quant(uint32_t type, const void *block, int i, int r)
{
    const int group = i % 32 / 4, row = r % 4, k = i % 4;
    switch (type) {
    case TYPE_Q8_0:
        return ((const struct tile_q8_0 *)block)->qs[group][r][k];
    case TYPE_Q4_0:
        return tile_nibble_xor(((const struct tile_q4_0 *)block)->qs[group][row][k], r) - 8;
    case TYPE_Q4_1:
        return tile_nibble_xor(((const struct tile_q4_1 *)block)->qs[group][row][k], r);
    case TYPE_Q5_0: {
        const struct tile_q5_0 *tile = block;
        return tile_five_bits(tile->qh, tile->qs, i, r);
    }
    case TYPE_Q5_1: {
        const struct tile_q5_1 *tile = block;
        return tile_five_bits(tile->qh, tile->qs, i, r) + 16;
    }
    case TYPE_IQ4_NL:
        return iq4_values[tile_nibble(((const struct tile_iq4_nl *)block)->qs[group][row][k], r)];
    case TYPE_Q2_K:
        return ((const struct tile_q2_k *)block)->qs[i / 16][r / 4][row][k] >> i % 16 / 4 * 2 & 3;
    case TYPE_Q3_K:
        return q3_k_quant(block, i, r);
    case TYPE_Q4_K:
        return tile_nibble_xor(((const struct tile_q4_k *)block)->qs[i / 32][group][row][k], r);
    case TYPE_Q5_K: {
        const struct tile_q5_k *tile = block;
        return tile_five_bits(tile->qh[i / 32], tile->qs[i / 32], i % 32, r) + 16;
    }
    case TYPE_Q6_K:
        return q6_k_quant(block, i, r);
    default: { // IQ4_XS
        const struct tile_iq4_xs *tile = block;
        return iq4_values[tile_nibble(tile->qs[i / 32][group][row][k], r)];
    }
    }
}

// Scales of Q4_K and Q5_K: sub-block j = 0..7 of row r.
static inline int tile_s6_scale(const uint8_t s6[2][48], int j, int r)
{
    return s6[r / 4][4 * j + r % 4] & 63;
}

static inline int tile_s6_min(const uint8_t s6[2][48], int j, int r)
{
    const uint8_t *s = s6[r / 4];
    if (j < 4) {
        return s[32 + 4 * j + r % 4] & 63;
    }
    const int i = 4 * (j - 4) + r % 4; // two bits each in the tops of the three vectors
    return s[i] >> 6 | s[16 + i] >> 6 << 2 | s[32 + i] >> 6 << 4;
}

// Scales of Q3_K and IQ4_XS: sub-block j = 0..7 of row r, less 32.
static inline int tile_s3_scale(const uint8_t s6[3][2][8], int j, int r)
{
    return tile_six_bits(s6[0][j % 2][r], s6[1][j % 2][r], s6[2][j % 2][r], j / 2) - 32;
}

// Of sub-block j of a block of 256 columns, row r.
TYPE_CONSTANT int tile_scale(uint32_t type, const void *block, int j, int r)
{
    switch (type) {
    case TYPE_Q2_K:
        return ((const struct tile_q2_k *)block)->sc[j][r] & 15;
    case TYPE_Q3_K:
        return tile_s3_scale(((const struct tile_q3_k *)block)->s6[j / 8], j % 8, r);
    case TYPE_Q4_K:
        return tile_s6_scale(((const struct tile_q4_k *)block)->s6, j, r);
    case TYPE_Q5_K:
        return tile_s6_scale(((const struct tile_q5_k *)block)->s6, j, r);
    case TYPE_Q6_K:
        return ((const struct tile_q6_k *)block)->sc[j][r];
    default: // IQ4_XS
        return tile_s3_scale(((const struct tile_iq4_xs *)block)->s6, j, r);
    }
}

// The same, 0 for types without.
TYPE_CONSTANT int tile_min(uint32_t type, const void *block, int j, int r)
{
    switch (type) {
    case TYPE_Q2_K:
        return ((const struct tile_q2_k *)block)->sc[j][r] >> 4;
    case TYPE_Q4_K:
        return tile_s6_min(((const struct tile_q4_k *)block)->s6, j, r);
    case TYPE_Q5_K:
        return tile_s6_min(((const struct tile_q5_k *)block)->s6, j, r);
    default:
        return 0;
    }
}
