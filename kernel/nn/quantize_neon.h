// Floats to int8, given the largest magnitude of their block: quantize.c.
#pragma once

#include "nn/activation.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// The next sixteen values; FCVTNS rounds to even and turns a NaN into 0.
ALWAYS_INLINE int8x16_t quantize_next(const float **x, float inverse)
{
    const float32x4x4_t a = next_f32x4(x);
    int32x4_t v[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[i] = vcvtnq_s32_f32(vmulq_n_f32(a.val[i], inverse));
    }
    const int16x8_t low = vmovn_high_s32(vmovn_s32(v[0]), v[1]);
    const int16x8_t high = vmovn_high_s32(vmovn_s32(v[2]), v[3]);
    return vmovn_high_s16(vmovn_s16(low), high);
}

ALWAYS_INLINE void quantize_q8_k_block(struct act_q8_k *block, const float *x, float amax)
{
    const bool zero = amax < SMALLEST_AMAX;
    const float inverse = zero ? 0.0f : 127.0f / amax;
    block->d = zero ? 0.0f : amax / 127.0f;
    UNROLL for (int j = 0; j < QK_K / 16; j++)
    {
        const int8x16_t q = quantize_next(&x, inverse);
        vst1q_s8(block->q + 16 * j, q);
        block->bsum[j] = vaddlvq_s8(q);
    }
}
