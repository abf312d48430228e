// The vectors of row tiles: four columns of four rows, times the same four activations for each
// row.
#pragma once

#include "nn/simd_neon.h"

// The next column group's four activations, repeated.
ALWAYS_INLINE int8x16_t next_group(const int8_t **x)
{
    int32x4_t repeated = vld1q_dup_s32((const int32_t *)*x);
    *x += 4;
    FORGET_ORIGIN(*x); // one instruction with post-increment; with an offset it would be two
    FORGET_LANES(repeated);
    return vreinterpretq_s8_s32(repeated);
}

// Products of four rows: lanes r0 x 4, r1 x 4 in dot[0], r2 x 4, r3 x 4 in dot[1]. first: they
// replace what dot holds.
ALWAYS_INLINE void add_group(int16x8_t dot[2], int8x16_t w, int8x16_t x, bool first)
{
    if (first) {
        dot[0] = vmull_s8(vget_low_s8(w), vget_low_s8(x));
        dot[1] = vmull_high_s8(w, x);
    } else {
        dot[0] = vmlal_s8(dot[0], vget_low_s8(w), vget_low_s8(x));
        dot[1] = vmlal_high_s8(dot[1], w, x);
    }
}

// The same of four column groups of eight rows of 4-bit weights: dot[0], dot[1] of rows 0..3,
// dot[2], dot[3] of rows 4..7 as q - 8. Eight products to a lane are at most 8 * 15 * 127 = 15240:
// two lanes still add in int16.
ALWAYS_INLINE void add_nibble_groups(int16x8_t dot[4], uint8x16x4_t q, uint8x16_t low_nibble,
                                     const int8x16_t x[4], bool first)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(q.val[i], low_nibble));
        const int8x16_t high = vshrq_n_s8(vreinterpretq_s8_u8(q.val[i]), 4);
        add_group(dot, low, x[i], first && i == 0);
        add_group(dot + 2, high, x[i], first && i == 0);
    }
}

// Two column groups of eight rows of int8: sum has two lanes per row. Two products fit an int16
// even at -128 * 127: 32512. w: rows 0..3 and 4..7 of the first, then of the second group.
ALWAYS_INLINE void add_byte_groups(int32x4_t sum[4], const int8x16_t w[4], const int8x16_t x[2],
                                   bool first)
{
    int16x8_t dot[4];
    add_group(dot, w[0], x[0], true);
    add_group(dot + 2, w[1], x[0], true);
    add_group(dot, w[2], x[1], false);
    add_group(dot + 2, w[3], x[1], false);
    UNROLL for (int i = 0; i < 4; i++)
    {
        sum[i] = first ? vpaddlq_s16(dot[i]) : vpadalq_s16(sum[i], dot[i]);
    }
}
