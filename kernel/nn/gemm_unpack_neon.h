// Tiles to int8 vectors of four columns of four rows, and scales to integers: for every tier's
// panels.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tile_bits_neon.h"
#include "nn/tile_q6_k_neon.h"

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

// Column groups 4 i .. 4 i + 3 of five bits, less 16.
ALWAYS_INLINE void unpack_five_bits(int8x16_t w[2][4], const uint8_t qh[2][4][4],
                                    const uint8_t qs[8][4][4], int i)
{
    const struct five_bits masks = five_bits_init();
    const uint8x16_t high[2] = {vld1q_u8(qh[0][0]), vld1q_u8(qh[1][0])};
    UNROLL for (int g = 0; g < 4; g++)
    {
        int8x16_t v[2];
        five_bit_group(v, vld1q_u8(qs[4 * i + g][0]), high, 4 * i + g, &masks);
        w[0][g] = v[0];
        w[1][g] = v[1];
    }
}

ALWAYS_INLINE void unpack_iq4(int8x16_t w[2][4], const uint8_t qs[8][4][4], int i)
{
    const int8x16_t values = vld1q_s8(iq4_values);
    UNROLL for (int g = 0; g < 4; g++)
    {
        int8x16_t v[2];
        iq4_group(v, vld1q_u8(qs[4 * i + g][0]), values, vdupq_n_u8(15));
        w[0][g] = v[0];
        w[1][g] = v[1];
    }
}

// Columns 16 i .. 16 i + 15 of a block: four column groups of rows 0..3, and of rows 4..7. Of Q5_1
// and Q5_K they are less 16, as of Q5_0. i is constant for types in blocks of 32, its last bit for
// Q5_K and IQ4_XS.
ALWAYS_INLINE void unpack_columns(int8x16_t w[2][4], uint32_t type, const void *block, int i)
{
    switch (type) {
    case TYPE_Q4_1:
        UNROLL for (int g = 0; g < 4; g++)
        {
            int8x16_t v[2];
            unpack_nibbles(v, vld1q_u8(((const struct tile_q4_1 *)block)->qs[4 * i + g][0]));
            w[0][g] = v[0];
            w[1][g] = v[1];
        }
        break;
    case TYPE_Q5_0: {
        const struct tile_q5_0 *tile = block;
        unpack_five_bits(w, tile->qh, tile->qs, i);
        break;
    }
    case TYPE_Q5_1: {
        const struct tile_q5_1 *tile = block;
        unpack_five_bits(w, tile->qh, tile->qs, i);
        break;
    }
    case TYPE_Q5_K: {
        const struct tile_q5_k *tile = block;
        unpack_five_bits(w, tile->qh[i / 2], tile->qs[i / 2], i % 2);
        break;
    }
    case TYPE_IQ4_NL:
        unpack_iq4(w, ((const struct tile_iq4_nl *)block)->qs, i);
        break;
    case TYPE_IQ4_XS:
        unpack_iq4(w, ((const struct tile_iq4_xs *)block)->qs[i / 2], i % 2);
        break;
    case TYPE_Q2_K: {
        const uint8_t(*qs)[4][4] = ((const struct tile_q2_k *)block)->qs[i];
        two_bit_groups(w[0], vld1q_u8(qs[0][0]), vdupq_n_u8(3));
        two_bit_groups(w[1], vld1q_u8(qs[1][0]), vdupq_n_u8(3));
        break;
    }
    default: { // Q3_K
        const uint8_t(*qs)[4][4] = ((const struct tile_q3_k *)block)->qs[i];
        const uint8x16_t v[3] = {vld1q_u8(qs[0][0]), vld1q_u8(qs[1][0]), vld1q_u8(qs[2][0])};
        three_bit_groups(w[0], w[1], v, vdupq_n_u8(7));
        UNROLL for (int g = 0; g < 4; g++)
        {
            w[0][g] = vsubq_s8(w[0][g], vdupq_n_s8(4));
            w[1][g] = vsubq_s8(w[1][g], vdupq_n_s8(4));
        }
    }
    }
}

// Scales of two sub-blocks a vector, [sub-block][row], of types that do not keep them in s6[2][48];
// the number of vectors.
ALWAYS_INLINE int unpack_scales(int8x16_t sc[8], uint32_t type, const void *block)
{
    switch (type) {
    case TYPE_Q2_K:
        UNROLL for (int j = 0; j < 8; j++)
        {
            const uint8x16_t v = vld1q_u8(((const struct tile_q2_k *)block)->sc[2 * j]);
            sc[j] = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15)));
        }
        return 8;
    case TYPE_Q3_K:
        s3_scales(sc, ((const struct tile_q3_k *)block)->s6[0]);
        s3_scales(sc + 4, ((const struct tile_q3_k *)block)->s6[1]);
        return 8;
    default:
        s3_scales(sc, ((const struct tile_iq4_xs *)block)->s6);
        return 4;
    }
}

// Mins of Q2_K, [sub-block][row].
ALWAYS_INLINE void unpack_q2_k_mins(int16_t mins[16][8], const struct tile_q2_k *tile)
{
    UNROLL for (int j = 0; j < 16; j++)
    {
        vst1q_s16(mins[j], vreinterpretq_s16_u16(vmovl_u8(vshr_n_u8(vld1_u8(tile->sc[j]), 4))));
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
