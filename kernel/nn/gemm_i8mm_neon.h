// SMMLA for panels of row pairs and pairs of tokens: what the i8mm GEMMs share.
//
// A vector of weights is eight columns of two rows, one of activations eight columns of two tokens,
// and a sum has row 2i of both tokens, then row 2i + 1 of both.
#pragma once

#include "nn/gemm_neon.h"

#define PACKED_TOKENS 16 // the planner's largest batch
#define PACKED_TILES  32 // more would hardly save any packing

// sum[pair][rows 2i, 2i + 1] += eight columns.
ALWAYS_INLINE void add_pairs(int32x4_t sum[2][4], int8x16x4_t w, int8x16_t x0, int8x16_t x1)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        sum[0][i] = vmmlaq_s32(sum[0][i], w.val[i], x0);
        sum[1][i] = vmmlaq_s32(sum[1][i], w.val[i], x1);
    }
}

// 32 columns of the four tokens: [8 columns][pair][token][column].
ALWAYS_INLINE void pack_pairs(int8_t *packed, const int8_t *const q[GEMM_TOKENS])
{
    UNROLL for (int pair = 0; pair < 2; pair++)
    {
        UNROLL for (int k = 0; k < 2; k++)
        {
            const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(q[2 * pair] + 16 * k));
            const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(q[2 * pair + 1] + 16 * k));
            int8_t *to = packed + 64 * k + 16 * pair;
            vst1q_s8(to, vreinterpretq_s8_s64(vzip1q_s64(a, b)));
            vst1q_s8(to + 32, vreinterpretq_s8_s64(vzip2q_s64(a, b)));
        }
    }
}

// Eight columns of rows 0 1 and of rows 2 3, of two column groups.
ALWAYS_INLINE void row_pairs(uint8x16_t rows[2], uint8x16_t group0, uint8x16_t group1)
{
    const uint32x4_t a = vreinterpretq_u32_u8(group0), b = vreinterpretq_u32_u8(group1);
    rows[0] = vreinterpretq_u8_u32(vzip1q_u32(a, b));
    rows[1] = vreinterpretq_u8_u32(vzip2q_u32(a, b));
}

// The next eight columns of eight rows.
ALWAYS_INLINE void store_row_pairs(int8_t **to, int8x16_t rows01, int8x16_t rows23,
                                   int8x16_t rows45, int8x16_t rows67)
{
    const int8x16x4_t v = {{rows01, rows23, rows45, rows67}};
    vst1q_s8_x4(*to, v);
    *to += 64;
    FORGET_ORIGIN(*to);
}

ALWAYS_INLINE uint16x8_t next_halves(const uint8_t **tile)
{
    return vreinterpretq_u16_u8(NEXT(tile, vld1q_u8, 16));
}

// Each row's half twice, as floats: a row pair's scales as its sums lie.
ALWAYS_INLINE void store_halves_twice(int8_t **to, uint16x8_t half)
{
    uint16x8_t low = vzip1q_u16(half, half), high = vzip2q_u16(half, half);
    FORGET_LANES(low);
    FORGET_LANES(high);
    const float32x4x2_t f0 = widen_f16(low), f1 = widen_f16(high);
    const float32x4x4_t v = {{f0.val[0], f0.val[1], f1.val[0], f1.val[1]}};
    vst1q_f32_x4((float *)*to, v);
    *to += 64;
    FORGET_ORIGIN(*to);
}

ALWAYS_INLINE float32x4x4_t next_floats(const int8_t **p)
{
    const int8x16x4_t v = next_s8x4(p);
    return (float32x4x4_t){{vreinterpretq_f32_s8(v.val[0]), vreinterpretq_f32_s8(v.val[1]),
                            vreinterpretq_f32_s8(v.val[2]), vreinterpretq_f32_s8(v.val[3])}};
}

// f[row pair] of two tokens to rows 0..3 and 4..7 of each.
ALWAYS_INLINE void tokens_apart(float32x4_t f[2][2], const float32x4_t v[4])
{
    f[0][0] = vuzp1q_f32(v[0], v[1]);
    f[0][1] = vuzp1q_f32(v[2], v[3]);
    f[1][0] = vuzp2q_f32(v[0], v[1]);
    f[1][1] = vuzp2q_f32(v[2], v[3]);
}
