// The scales and mins of a Q4_K tile, for all its products.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tiles.h"

// Scales of four rows: of sub-blocks 0..3 (half 0) or 4..7, bytes [sub-block][row].
ALWAYS_INLINE uint8x16_t q4_k_scales(const uint8_t s6[48], int half)
{
    return vandq_u8(vld1q_u8(s6 + 16 * half), vdupq_n_u8(63));
}

// m + sum_j mn_j * sums[j] for four rows; sums: of the 32 activations of sub-block j.
ALWAYS_INLINE int32x4_t q4_k_dot_mins(const uint8_t s6[48], int16x8_t sums)
{
    const uint8x16_t v0 = vld1q_u8(s6), v1 = vld1q_u8(s6 + 16), v2 = vld1q_u8(s6 + 32);
    const uint8x16_t six_bits = vdupq_n_u8(63);
    uint8x16_t top = vshrq_n_u8(v2, 2); // each byte keeps bits 5:4 at its top, then 3:2, then 1:0
    top = vsriq_n_u8(top, v1, 4);
    top = vsriq_n_u8(top, v0, 6); // the two bits above are zero
    const uint8x16_t first = vandq_u8(v2, six_bits);
    const int16x8_t m01 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(first)));
    int32x4_t m = vmull_laneq_s16(vget_low_s16(m01), sums, 0);
    m = vmlal_high_laneq_s16(m, m01, sums, 1);
    const int16x8_t m23 = vreinterpretq_s16_u16(vmovl_high_u8(first));
    m = vmlal_laneq_s16(m, vget_low_s16(m23), sums, 2);
    m = vmlal_high_laneq_s16(m, m23, sums, 3);
    const int16x8_t m45 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(top)));
    m = vmlal_laneq_s16(m, vget_low_s16(m45), sums, 4);
    m = vmlal_high_laneq_s16(m, m45, sums, 5);
    const int16x8_t m67 = vreinterpretq_s16_u16(vmovl_high_u8(top));
    m = vmlal_laneq_s16(m, vget_low_s16(m67), sums, 6);
    return vmlal_high_laneq_s16(m, m67, sums, 7);
}
