// 4-bit weights (0..15) times int8 activations in int16: what Q4_0 and Q4_K share.
#pragma once

#include "nn/simd_neon.h"

ALWAYS_INLINE int8x16_t low_nibbles(uint8x16_t q)
{
    return vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15)));
}

ALWAYS_INLINE int8x16_t high_nibbles(uint8x16_t q)
{
    return vreinterpretq_s8_u8(vshrq_n_u8(q, 4));
}

// 32 products, four to a lane: at most 4 * 15 * 127 = 7620.
ALWAYS_INLINE int16x8_t nibble_dot32(int8x16_t w0, int8x16_t w1, int8x16_t x0, int8x16_t x1)
{
    int16x8_t dot = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
    dot = vmlal_high_s8(dot, w0, x0);
    dot = vmlal_s8(dot, vget_low_s8(w1), vget_low_s8(x1));
    return vmlal_high_s8(dot, w1, x1);
}

// Rows' lanes added up to two per row, r0 r0 r1 r1 ...: at most 4 * 7620 = 30480, still int16.
ALWAYS_INLINE int16x8_t add_pairs_of_rows(const int16x8_t dot[4])
{
    return vpaddq_s16(vpaddq_s16(dot[0], dot[1]), vpaddq_s16(dot[2], dot[3]));
}
