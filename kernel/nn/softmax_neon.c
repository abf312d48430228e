// NEON twin of softmax.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

static float largest(const float *x, int n)
{
    float max = x[0];
    int i = 0;
    if (n >= 4) {
        float32x4_t m = vld1q_f32(x);
        for (i = 4; i + 4 <= n; i += 4) {
            m = vmaxnmq_f32(m, vld1q_f32(x + i));
        }
        max = vmaxnmvq_f32(m);
    }
    for (; i < n; i++) {
        max = max_f32(max, x[i]);
    }
    return max;
}

void softmax_neon(float *x, int n)
{
    const float max = largest(x, n);
    float32x4_t sum = vdupq_n_f32(0);
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t p = exp_f32x4(vsubq_f32(vld1q_f32(x + i), vdupq_n_f32(max)));
        vst1q_f32(x + i, p);
        sum = vaddq_f32(sum, p);
    }
    if (i < n) {
        store_tail(x + i, exp_f32x4(vsubq_f32(load_tail(x + i, n - i), vdupq_n_f32(max))), n - i);
        sum = vaddq_f32(sum, load_tail(x + i, n - i)); // + 0 changes no lane: none is negative
    }
    const float inverse = 1.0f / sum_lanes(sum);
    vec_scale_neon(x, x, inverse, n);
}
