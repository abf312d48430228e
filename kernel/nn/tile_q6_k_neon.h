// The quants of a Q6_K tile, for all its products.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tiles.h"

// The four column groups of 16 columns of four rows: 0..63.
ALWAYS_INLINE void q6_k_groups(int8x16_t w[4], const uint8_t qs[3][4][4])
{
    const uint8x16_t v0 = vld1q_u8(&qs[0][0][0]), v1 = vld1q_u8(&qs[1][0][0]);
    const uint8x16_t v2 = vld1q_u8(&qs[2][0][0]);
    const uint8x16_t six_bits = vdupq_n_u8(63);
    uint8x16_t top = vshrq_n_u8(v2, 2); // bits 5:4 of v2's top, then 3:2 of v1, 1:0 of v0
    top = vsriq_n_u8(top, v1, 4);
    top = vsriq_n_u8(top, v0, 6);
    w[0] = vreinterpretq_s8_u8(vandq_u8(v0, six_bits));
    w[1] = vreinterpretq_s8_u8(vandq_u8(v1, six_bits));
    w[2] = vreinterpretq_s8_u8(vandq_u8(v2, six_bits));
    w[3] = vreinterpretq_s8_u8(top);
}
