// NEON twin of quantize.c.
#include "nn/quantize_neon.h"
#include "lib/f16.h"
#include "lib/string.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// The largest magnitude; a NaN counts as nothing. n: a multiple of 32.
ALWAYS_INLINE float amax_of(const float *x, int n)
{
    float32x4_t m[4];
    UNROLL for (int k = 0; k < 4; k++)
    {
        m[k] = vdupq_n_f32(0);
    }
    for (; n > 0; n -= 32) {
        const float32x4x4_t a = next_f32x4(&x), b = next_f32x4(&x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            m[k] = vmaxnmq_f32(m[k], vabsq_f32(a.val[k]));
            m[k] = vmaxnmq_f32(m[k], vabsq_f32(b.val[k]));
        }
    }
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(m[0], m[1]), vmaxq_f32(m[2], m[3])));
}

void quantize_q8_0_neon(void *act, const float *x, int n)
{
    struct act_q8_0 *block = act;
    for (; n > 0; n -= QK8_0, block++) {
        const float amax = amax_of(x, QK8_0);
        const bool zero = amax < SMALLEST_AMAX;
        const float inverse = zero ? 0.0f : 127.0f / amax;
        const int8x16_t a = quantize_next(&x, inverse), b = quantize_next(&x, inverse);
        vst1q_s8(block->q, a);
        vst1q_s8(block->q + 16, b);
        block->d = zero ? 0.0f : amax / 127.0f;
        block->sum = vaddlvq_s16(vaddq_s16(vpaddlq_s8(a), vpaddlq_s8(b)));
    }
}

void quantize_q8_k_neon(void *act, const float *x, int n)
{
    struct act_q8_k *block = act;
    for (; n > 0; n -= QK_K, block++, x += QK_K) {
        quantize_q8_k_block(block, x, amax_of(x, QK_K));
    }
}

// The scale; zeros behind a shorter block change nothing in it.
ALWAYS_INLINE uint16_t quantize_kv_block(int8_t *q, const float *x)
{
    const float amax = amax_of(x, KV_BLOCK);
    const bool zero = amax < SMALLEST_AMAX;
    const float inverse = zero ? 0.0f : 127.0f / amax;
    vst1q_s8(q, quantize_next(&x, inverse));
    vst1q_s8(q + 16, quantize_next(&x, inverse));
    return f32_to_f16(zero ? 0.0f : amax / 127.0f);
}

void quantize_kv_q8_0_neon(int8_t *q, uint16_t *d, const float *x, int n)
{
    int i = 0;
    for (; i + KV_BLOCK <= n; i += KV_BLOCK) {
        *d++ = quantize_kv_block(q + i, x + i);
    }
    if (i < n) {
        float rest[KV_BLOCK] = {0};
        int8_t rest_q[KV_BLOCK];
        memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
        *d = quantize_kv_block(rest_q, rest);
        memcpy(q + i, rest_q, (size_t)(n - i));
    }
}
