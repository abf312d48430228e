// Quants of fewer than eight bits that more than one product takes from a tile.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tile_q6_k_neon.h"
#include "nn/tile_values.h"

// What takes five bits apart: bit[g] is of column group g.
struct five_bits {
    uint8x16_t bit[8];
};

ALWAYS_INLINE struct five_bits five_bits_init(void)
{
    struct five_bits masks;
    UNROLL for (int g = 0; g < 8; g++)
    {
        masks.bit[g] = vdupq_n_u8((uint8_t)(1 << g));
        FORGET_LANES(masks.bit[g]); // else it is made anew before each use
    }
    return masks;
}

// Column group g of rows 0..3 and 4..7, less 16: ones above the nibble where qh has its bit. The
// upper rows first: SLI then takes q's own register.
ALWAYS_INLINE void five_bit_group(int8x16_t w[2], uint8x16_t q, const uint8x16_t qh[2], int g,
                                  const struct five_bits *masks)
{
    const uint8x16_t low = vtstq_u8(qh[0], masks->bit[g]), high = vtstq_u8(qh[1], masks->bit[g]);
    w[1] = vreinterpretq_s8_u8(vsriq_n_u8(high, q, 4));
    w[0] = vreinterpretq_s8_u8(vsliq_n_u8(q, low, 4));
}

// Weights of IQ4_NL and IQ4_XS: of rows 0..3 and 4..7.
ALWAYS_INLINE void iq4_group(int8x16_t w[2], uint8x16_t q, int8x16_t values, uint8x16_t low_nibble)
{
    w[0] = vqtbl1q_s8(values, vandq_u8(q, low_nibble));
    w[1] = vqtbl1q_s8(values, vshrq_n_u8(q, 4));
}

// A column group each of 16 columns of Q2_K, four rows: 0..3.
ALWAYS_INLINE void two_bit_groups(int8x16_t w[4], uint8x16_t v, uint8x16_t two_bits)
{
    w[0] = vreinterpretq_s8_u8(vandq_u8(v, two_bits));
    w[1] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), two_bits));
    w[2] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), two_bits));
    w[3] = vreinterpretq_s8_u8(vshrq_n_u8(v, 6));
}

// A column group each of 16 columns of Q3_K: 0..7, of rows 0..3 and of rows 4..7.
ALWAYS_INLINE void three_bit_groups(int8x16_t low[4], int8x16_t high[4], const uint8x16_t v[3],
                                    uint8x16_t three_bits)
{
    const uint8x16_t top = six_bits_of_tops(v);
    UNROLL for (int i = 0; i < 3; i++)
    {
        low[i] = vreinterpretq_s8_u8(vandq_u8(v[i], three_bits));
        high[i] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v[i], 3), three_bits));
    }
    low[3] = vreinterpretq_s8_u8(vandq_u8(top, three_bits));
    high[3] = vreinterpretq_s8_u8(vshrq_n_u8(top, 3));
}

// Scales of eight sub-blocks and eight rows of Q3_K and IQ4_XS, [2 sub-blocks][row] a vector.
ALWAYS_INLINE void s3_scales(int8x16_t sc[4], const uint8_t s6[3][2][8])
{
    const uint8x16_t v[3] = {vld1q_u8(s6[0][0]), vld1q_u8(s6[1][0]), vld1q_u8(s6[2][0])};
    q6_k_groups(sc, v, vdupq_n_u8(63));
    UNROLL for (int i = 0; i < 4; i++)
    {
        sc[i] = vsubq_s8(sc[i], vdupq_n_s8(32));
    }
}
