// What the mat-vecs of blocks of 256 columns share, whose scales are [sub-block][row].
#pragma once

#include "nn/activation.h"
#include "nn/simd_neon.h"

// acc of eight rows, given a = sum_j scale_j * dot_j and m = sum_j min_j * sum_j: matvec_k.c. The
// halves d, and dmin where the type has it, begin the tile.
ALWAYS_INLINE void add_tile_k(float32x4_t acc[2], const int32x4_t a[2], const int32x4_t m[2],
                              const void *tile, float d_x, bool has_min)
{
    const uint16_t *half = tile;
    const float32x4x2_t d = widen_f16(vld1q_u16(half));
    const float32x4x2_t dmin = has_min ? widen_f16(vld1q_u16(half + 8)) : d;
    UNROLL for (int i = 0; i < 2; i++)
    {
        float32x4_t f = vmulq_f32(vcvtq_f32_s32(a[i]), d.val[i]);
        if (has_min) {
            f = vfmsq_f32(f, vcvtq_f32_s32(m[i]), dmin.val[i]);
        }
        acc[i] = vfmaq_n_f32(acc[i], f, d_x);
    }
}

// m of eight rows += min * sums[lane]
#define ADD_MIN_LANE(lane)                                                                         \
    case lane:                                                                                     \
        m[0] = vmlal_laneq_s16(m[0], vget_low_s16(min), sums, lane);                               \
        m[1] = vmlal_high_laneq_s16(m[1], min, sums, lane);                                        \
        break

ALWAYS_INLINE void add_min(int32x4_t m[2], int16x8_t min, int16x8_t sums, int lane)
{
    switch (lane) {
        ADD_MIN_LANE(0);
        ADD_MIN_LANE(1);
        ADD_MIN_LANE(2);
        ADD_MIN_LANE(3);
        ADD_MIN_LANE(4);
        ADD_MIN_LANE(5);
        ADD_MIN_LANE(6);
    default:
        m[0] = vmlal_laneq_s16(m[0], vget_low_s16(min), sums, 7);
        m[1] = vmlal_high_laneq_s16(m[1], min, sums, 7);
    }
}
#undef ADD_MIN_LANE

// m += the mins of two sub-blocks of Q2_K times the sums in lanes j and j + 1 of their activations.
ALWAYS_INLINE void add_mins(int32x4_t m[2], uint8x16_t sc, int16x8_t sums, int j)
{
    const uint8x16_t min = vshrq_n_u8(sc, 4);
    add_min(m, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(min))), sums, j);
    add_min(m, vreinterpretq_s16_u16(vmovl_high_u8(min)), sums, j + 1);
}
