// NEON twin of layernorm.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

// The sum of d = x[i] - mean over lanes i % 16, or of its squares.
ALWAYS_INLINE float sum_over_lanes(const float *x, int n, float mean, bool squares)
{
    float32x4_t v[4];
    UNROLL for (int k = 0; k < 4; k++)
    {
        v[k] = vdupq_n_f32(0);
    }
    for (; n >= 16; n -= 16) {
        const float32x4x4_t a = next_f32x4(&x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            const float32x4_t d = vsubq_f32(a.val[k], vdupq_n_f32(mean));
            v[k] = squares ? vfmaq_f32(v[k], d, d) : vaddq_f32(v[k], d);
        }
    }
    if (n > 0) {
        float acc[16];
        for (int k = 0; k < 4; k++) {
            vst1q_f32(acc + 4 * k, v[k]);
        }
        for (int lane = 0; lane < n; lane++) {
            const float d = x[lane] - mean;
            acc[lane] = squares ? fma_f32(d, d, acc[lane]) : acc[lane] + d;
        }
        for (int k = 0; k < 4; k++) {
            v[k] = vld1q_f32(acc + 4 * k);
        }
    }
    return sum_lanes(vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3])));
}

void layernorm_neon(float *out, const float *x, const float *w, const float *b, int n, float eps)
{
    const float mean = sum_over_lanes(x, n, 0.0f, false) / (float)n; // x - 0 is x
    const float scale = 1.0f / sqrt_f32(sum_over_lanes(x, n, mean, true) / (float)n + eps);
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x);
        const float32x4x4_t weight = next_f32x4(&w), bias = next_f32x4(&b);
        UNROLL for (int k = 0; k < 4; k++)
        {
            const float32x4_t d = vmulq_n_f32(vsubq_f32(a.val[k], vdupq_n_f32(mean)), scale);
            a.val[k] = vaddq_f32(vmulq_f32(d, weight.val[k]), bias.val[k]);
        }
        put_f32x4(&out, a);
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = (x[i] - mean) * scale * w[i] + b[i];
    }
}
