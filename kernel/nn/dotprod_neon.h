// SDOT, for files that are compiled for CPUs that have it.
#pragma once

#include "nn/simd_neon.h"

// acc[row] += four columns of w's row times x's four columns, i = 0..3. i is constant after
// inlining.
ALWAYS_INLINE int32x4_t dot_group(int32x4_t acc, int8x16_t w, int8x16_t x, int i)
{
    switch (i) {
    case 0:
        return vdotq_laneq_s32(acc, w, x, 0);
    case 1:
        return vdotq_laneq_s32(acc, w, x, 1);
    case 2:
        return vdotq_laneq_s32(acc, w, x, 2);
    default:
        return vdotq_laneq_s32(acc, w, x, 3);
    }
}

// Lane i = 0..3 everywhere. (A subscript goes through a general register.)
ALWAYS_INLINE int32x4_t repeat_lane_s32(int32x4_t v, int i)
{
    switch (i) {
    case 0:
        return vdupq_laneq_s32(v, 0);
    case 1:
        return vdupq_laneq_s32(v, 1);
    case 2:
        return vdupq_laneq_s32(v, 2);
    default:
        return vdupq_laneq_s32(v, 3);
    }
}
