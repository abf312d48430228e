// The quants of a Q6_K tile, for all its products.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tiles.h"

// The six bits that the tops of three vectors make.
ALWAYS_INLINE uint8x16_t six_bits_of_tops(const uint8x16_t v[3])
{
    uint8x16_t top = vshrq_n_u8(v[2], 2); // bits 5:4 of v[2]'s top, then 3:2 of v[1], 1:0 of v[0]
    top = vsriq_n_u8(top, v[1], 4);
    return vsriq_n_u8(top, v[0], 6);
}

// The four column groups of 16 columns of four rows: 0..63. v: their three vectors.
ALWAYS_INLINE void q6_k_groups(int8x16_t w[4], const uint8x16_t v[3], uint8x16_t six_bits)
{
    w[0] = vreinterpretq_s8_u8(vandq_u8(v[0], six_bits));
    w[1] = vreinterpretq_s8_u8(vandq_u8(v[1], six_bits));
    w[2] = vreinterpretq_s8_u8(vandq_u8(v[2], six_bits));
    w[3] = vreinterpretq_s8_u8(six_bits_of_tops(v));
}
