// The scales and mins of a Q4_K tile, for all its products.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tiles.h"

// Scales of four rows: of sub-blocks 0..3 (half 0) or 4..7, bytes [sub-block][row].
ALWAYS_INLINE uint8x16_t q4_k_scales(const uint8_t s6[48], int half)
{
    return vandq_u8(vld1q_u8(s6 + 16 * half), vdupq_n_u8(63));
}

// Mins of four rows, the same way.
ALWAYS_INLINE uint8x16_t q4_k_mins(const uint8_t s6[48], int half)
{
    const uint8x16_t v2 = vld1q_u8(s6 + 32);
    if (half == 0) {
        return vandq_u8(v2, vdupq_n_u8(63));
    }
    uint8x16_t top = vshrq_n_u8(v2, 2); // each byte keeps bits 5:4 at its top, then 3:2, then 1:0
    top = vsriq_n_u8(top, vld1q_u8(s6 + 16), 4);
    return vsriq_n_u8(top, vld1q_u8(s6), 6);
}

// sum_j v_j * sums[j] for four rows; v: scales or mins of both halves.
ALWAYS_INLINE int32x4_t q4_k_dot_sums(uint8x16_t first, uint8x16_t second, int16x8_t sums)
{
    const int16x8_t v01 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(first)));
    int32x4_t m = vmull_laneq_s16(vget_low_s16(v01), sums, 0);
    m = vmlal_high_laneq_s16(m, v01, sums, 1);
    const int16x8_t v23 = vreinterpretq_s16_u16(vmovl_high_u8(first));
    m = vmlal_laneq_s16(m, vget_low_s16(v23), sums, 2);
    m = vmlal_high_laneq_s16(m, v23, sums, 3);
    const int16x8_t v45 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(second)));
    m = vmlal_laneq_s16(m, vget_low_s16(v45), sums, 4);
    m = vmlal_high_laneq_s16(m, v45, sums, 5);
    const int16x8_t v67 = vreinterpretq_s16_u16(vmovl_high_u8(second));
    m = vmlal_laneq_s16(m, vget_low_s16(v67), sums, 6);
    return vmlal_high_laneq_s16(m, v67, sums, 7);
}
