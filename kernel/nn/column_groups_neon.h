// The vectors of row tiles: four columns of four rows, times the same four activations for each
// row.
#pragma once

#include "nn/simd_neon.h"

// The activations of the next four column groups, each group's four repeated: one instruction.
ALWAYS_INLINE int8x16x4_t next_activations(const int8_t **x)
{
    const int32x4x4_t v = vld4q_dup_s32((const int32_t *)*x);
    *x += 16;
    FORGET_ORIGIN(*x); // one instruction with post-increment; with an offset it would be two
    return (int8x16x4_t){{vreinterpretq_s8_s32(v.val[0]), vreinterpretq_s8_s32(v.val[1]),
                          vreinterpretq_s8_s32(v.val[2]), vreinterpretq_s8_s32(v.val[3])}};
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

// A column group of eight rows of 4-bit weights: rows 0..3, and rows 4..7 as q - 8.
struct nibbles {
    int8x16_t low, high;
};

ALWAYS_INLINE struct nibbles nibbles_of(uint8x16_t q, uint8x16_t low_nibble)
{
    return (struct nibbles){vreinterpretq_s8_u8(vandq_u8(q, low_nibble)),
                            vshrq_n_s8(vreinterpretq_s8_u8(q), 4)};
}

// Its products join dot[0], dot[1] of rows 0..3 and dot[2], dot[3] of rows 4..7. Of eight groups a
// lane is at most 8 * 15 * 127 = 15240: two lanes still add in int16.
ALWAYS_INLINE void add_nibbles(int16x8_t dot[4], struct nibbles w, int8x16_t x, bool first)
{
    add_group(dot, w.low, x, first);
    add_group(dot + 2, w.high, x, first);
}

// Where a column group ends: what is named is computed before what uses it after this. So the next
// group's nibbles are made while this one is multiplied, and each instruction is about six away
// from what it needs; so long a core that issues in order (A53) waits for a result.
#define END_OF_GROUP(dot, next, q_after)                                                           \
    __asm__(""                                                                                     \
            : "+w"((dot)[0]), "+w"((dot)[1]), "+w"((dot)[2]), "+w"((dot)[3]), "+w"((next).low),    \
              "+w"((next).high), "+w"(q_after))

// Four column groups.
ALWAYS_INLINE void add_nibble_groups(int16x8_t dot[4], uint8x16x4_t q, uint8x16_t low_nibble,
                                     const int8x16_t x[4], bool first)
{
    struct nibbles w = nibbles_of(q.val[0], low_nibble);
    UNROLL for (int k = 0; k < 4; k++)
    {
        struct nibbles next = w;
        if (k < 3) {
            next = nibbles_of(q.val[k + 1], low_nibble);
        }
        add_nibbles(dot, w, x[k], first && k == 0);
        if (k < 3) {
            END_OF_GROUP(dot, next, q.val[k < 2 ? k + 2 : 3]);
        }
        w = next;
    }
}

// Eight, 32 columns: the second four are loaded while the first are multiplied, not before, as they
// would find no registers.
ALWAYS_INLINE void dot_nibbles(int16x8_t dot[4], const uint8_t **qs, const int8_t **x,
                               uint8x16_t low_nibble)
{
    uint8x16x4_t q = next_u8x4(qs);
    int8x16x4_t group = next_activations(x), next_group = group;
    struct nibbles w = nibbles_of(q.val[0], low_nibble);
    UNROLL for (int k = 0; k < 8; k++)
    {
        struct nibbles next = w;
        if (k < 7) {
            next = nibbles_of(q.val[(k + 1) % 4], low_nibble);
        }
        if (k == 2) {
            __asm__("" : "+w"(next.low), "+r"(*qs), "+r"(*x));
            q = next_u8x4(qs);
            next_group = next_activations(x);
        }
        add_nibbles(dot, w, group.val[k % 4], k == 0);
        if (k < 7) {
            END_OF_GROUP(dot, next, q.val[(k + 2) % 4]);
        }
        w = next;
        if (k == 3) {
            group = next_group;
        }
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
