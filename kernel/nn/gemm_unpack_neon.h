// Tiles to int8 vectors of four columns of four rows, and scales to integers: for every tier's
// panels.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tile_q6_k_neon.h"
#include "nn/tiles.h"

// Nibbles of rows 0..3 and of rows 4..7, each 0..15.
ALWAYS_INLINE void unpack_nibbles(int8x16_t w[2], uint8x16_t q)
{
    w[0] = vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15)));
    w[1] = vreinterpretq_s8_u8(vshrq_n_u8(veorq_u8(q, vdupq_n_u8(0x80)), 4));
}

// The same less 8, as the weights of Q4_0 count.
ALWAYS_INLINE void unpack_signed_nibbles(int8x16_t w[2], uint8x16_t q)
{
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15)));
    w[0] = vsubq_s8(low, vdupq_n_s8(8));
    w[1] = vshrq_n_s8(vreinterpretq_s8_u8(q), 4);
}

// 16 columns of four rows of Q6_K, less 32: four column groups.
ALWAYS_INLINE void unpack_six_bits(int8x16_t w[4], const uint8_t qs[3][4][4])
{
    const uint8x16_t v[3] = {vld1q_u8(qs[0][0]), vld1q_u8(qs[1][0]), vld1q_u8(qs[2][0])};
    q6_k_groups(w, v, vdupq_n_u8(63));
    UNROLL for (int i = 0; i < 4; i++)
    {
        w[i] = vsubq_s8(w[i], vdupq_n_s8(32));
    }
}

// Scales and mins of four rows, [0] of sub-blocks 0..3 and [1] of 4..7, bytes [sub-block][row].
ALWAYS_INLINE void unpack_s6(int8x16_t sc[2], int8x16_t mn[2], const uint8_t s6[48])
{
    const uint8x16_t v0 = vld1q_u8(s6), v1 = vld1q_u8(s6 + 16), v2 = vld1q_u8(s6 + 32);
    const uint8x16_t six_bits = vdupq_n_u8(63);
    uint8x16_t top = vshrq_n_u8(v2, 2); // each byte keeps bits 5:4 at its top, then 3:2, then 1:0
    top = vsriq_n_u8(top, v1, 4);
    top = vsriq_n_u8(top, v0, 6); // the two bits above are zero
    sc[0] = vreinterpretq_s8_u8(vandq_u8(v0, six_bits));
    sc[1] = vreinterpretq_s8_u8(vandq_u8(v1, six_bits));
    mn[0] = vreinterpretq_s8_u8(vandq_u8(v2, six_bits));
    mn[1] = vreinterpretq_s8_u8(top);
}

// mins[j][row] of eight rows from the bytes of rows 0..3 and of rows 4..7.
ALWAYS_INLINE void unpack_mins(int16_t mins[8][8], const int8x16_t low[2], const int8x16_t high[2])
{
    UNROLL for (int i = 0; i < 2; i++)
    {
        const int32x4_t a = vreinterpretq_s32_s8(low[i]), b = vreinterpretq_s32_s8(high[i]);
        const int8x16_t j01 = vreinterpretq_s8_s32(vzip1q_s32(a, b));
        const int8x16_t j23 = vreinterpretq_s8_s32(vzip2q_s32(a, b));
        vst1q_s16(mins[4 * i], vmovl_s8(vget_low_s8(j01)));
        vst1q_s16(mins[4 * i + 1], vmovl_high_s8(j01));
        vst1q_s16(mins[4 * i + 2], vmovl_s8(vget_low_s8(j23)));
        vst1q_s16(mins[4 * i + 3], vmovl_high_s8(j23));
    }
}

ALWAYS_INLINE void unpack_halves(float out[8], const uint16_t *half)
{
    vst1q_f32(out, load_f16x4(half));
    vst1q_f32(out + 4, load_f16x4(half + 4));
}

// Four column groups of four rows, [group][row][4 columns], to 16 columns of each row: LD4 takes
// 32-bit elements apart.
ALWAYS_INLINE void load_rows(int8x16_t rows[4], const uint8_t *groups)
{
    const int32x4x4_t v = vld4q_s32((const int32_t *)groups);
    UNROLL for (int r = 0; r < 4; r++)
    {
        rows[r] = vreinterpretq_s8_s32(v.val[r]);
    }
}

// The same from registers.
ALWAYS_INLINE void transpose_groups(int8x16_t v[4])
{
    const int32x4_t g0 = vreinterpretq_s32_s8(v[0]), g1 = vreinterpretq_s32_s8(v[1]);
    const int32x4_t g2 = vreinterpretq_s32_s8(v[2]), g3 = vreinterpretq_s32_s8(v[3]);
    const int64x2_t a = vreinterpretq_s64_s32(vzip1q_s32(g0, g1)); // rows 0 and 1 of groups 0, 1
    const int64x2_t b = vreinterpretq_s64_s32(vzip2q_s32(g0, g1)); // rows 2 and 3
    const int64x2_t c = vreinterpretq_s64_s32(vzip1q_s32(g2, g3));
    const int64x2_t d = vreinterpretq_s64_s32(vzip2q_s32(g2, g3));
    v[0] = vreinterpretq_s8_s64(vzip1q_s64(a, c));
    v[1] = vreinterpretq_s8_s64(vzip2q_s64(a, c));
    v[2] = vreinterpretq_s8_s64(vzip1q_s64(b, d));
    v[3] = vreinterpretq_s8_s64(vzip2q_s64(b, d));
}
