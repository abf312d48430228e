// NEON twin of vec.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

float vec_dot_f32_neon(const float *x, const float *y, int n)
{
    float32x4_t v0 = vdupq_n_f32(0), v1 = v0, v2 = v0, v3 = v0;
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        v0 = vfmaq_f32(v0, vld1q_f32(x + i), vld1q_f32(y + i));
        v1 = vfmaq_f32(v1, vld1q_f32(x + i + 4), vld1q_f32(y + i + 4));
        v2 = vfmaq_f32(v2, vld1q_f32(x + i + 8), vld1q_f32(y + i + 8));
        v3 = vfmaq_f32(v3, vld1q_f32(x + i + 12), vld1q_f32(y + i + 12));
    }
    if (i < n) { // lanes without an element keep their value, a negative zero included
        float acc[16];
        vst1q_f32(acc, v0);
        vst1q_f32(acc + 4, v1);
        vst1q_f32(acc + 8, v2);
        vst1q_f32(acc + 12, v3);
        for (int lane = 0; i < n; i++, lane++) {
            acc[lane] = fma_f32(x[i], y[i], acc[lane]);
        }
        v0 = vld1q_f32(acc);
        v1 = vld1q_f32(acc + 4);
        v2 = vld1q_f32(acc + 8);
        v3 = vld1q_f32(acc + 12);
    }
    return sum_lanes(vaddq_f32(vaddq_f32(v0, v1), vaddq_f32(v2, v3)));
}

void vec_add_neon(float *out, const float *x, const float *y, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t a = vaddq_f32(vld1q_f32(x + i), vld1q_f32(y + i));
        const float32x4_t b = vaddq_f32(vld1q_f32(x + i + 4), vld1q_f32(y + i + 4));
        vst1q_f32(out + i, a);
        vst1q_f32(out + i + 4, b);
    }
    for (; i < n; i++) {
        out[i] = x[i] + y[i];
    }
}

void vec_mul_neon(float *out, const float *x, const float *y, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t a = vmulq_f32(vld1q_f32(x + i), vld1q_f32(y + i));
        const float32x4_t b = vmulq_f32(vld1q_f32(x + i + 4), vld1q_f32(y + i + 4));
        vst1q_f32(out + i, a);
        vst1q_f32(out + i + 4, b);
    }
    for (; i < n; i++) {
        out[i] = x[i] * y[i];
    }
}

void vec_scale_neon(float *out, const float *x, float scale, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t a = vmulq_n_f32(vld1q_f32(x + i), scale);
        const float32x4_t b = vmulq_n_f32(vld1q_f32(x + i + 4), scale);
        vst1q_f32(out + i, a);
        vst1q_f32(out + i + 4, b);
    }
    for (; i < n; i++) {
        out[i] = x[i] * scale;
    }
}

ALWAYS_INLINE float32x4_t silu(float32x4_t x)
{
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp_f32x4(vnegq_f32(x))));
}

void vec_silu_neon(float *out, const float *x, int n)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1q_f32(out + i, silu(vld1q_f32(x + i)));
    }
    if (i < n) {
        store_tail(out + i, silu(load_tail(x + i, n - i)), n - i);
    }
}
