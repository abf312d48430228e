// Activations to int8: one float32 scale per block, the largest magnitude becoming 127.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

// q[i] = rint(x[i] * 127 / amax), ties to even; returns d = amax / 127. A NaN becomes 0.
static float quantize_block(int8_t *q, const float *x, int n)
{
    float amax = 0.0f;
    for (int i = 0; i < n; i++) {
        const float a = x[i] < 0.0f ? -x[i] : x[i];
        amax = a > amax ? a : amax;
    }
    if (amax < SMALLEST_AMAX) {
        for (int i = 0; i < n; i++) {
            q[i] = 0;
        }
        return 0.0f;
    }
    const float inverse = 127.0f / amax;
    for (int i = 0; i < n; i++) {
        const float rounded = rint_f32(x[i] * inverse);
        q[i] = rounded == rounded ? (int8_t)rounded : 0;
    }
    return amax / 127.0f;
}

void quantize_q8_0(void *act, const float *x, int n)
{
    struct act_q8_0 *block = act;
    for (int i = 0; i < n; i += QK8_0, block++) {
        block->d = quantize_block(block->q, x + i, QK8_0);
        block->sum = 0;
        for (int j = 0; j < QK8_0; j++) {
            block->sum += block->q[j];
        }
    }
}

void quantize_q8_k(void *act, const float *x, int n)
{
    struct act_q8_k *block = act;
    for (int i = 0; i < n; i += QK_K, block++) {
        block->d = quantize_block(block->q, x + i, QK_K);
        for (int j = 0; j < QK_K / 16; j++) {
            int sum = 0;
            for (int k = 0; k < 16; k++) {
                sum += block->q[16 * j + k];
            }
            block->bsum[j] = (int16_t)sum;
        }
    }
}

void quantize_kv_q8_0(int8_t *q, uint16_t *d, const float *x, int n)
{
    for (int i = 0; i < n; i += KV_BLOCK) {
        const int size = n - i < KV_BLOCK ? n - i : KV_BLOCK;
        d[i / KV_BLOCK] = f32_to_f16(quantize_block(q + i, x + i, size));
    }
}
