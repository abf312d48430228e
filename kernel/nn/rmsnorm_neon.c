// NEON twin of rmsnorm.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

void rmsnorm_neon(float *out, const float *x, const float *w, int n, int begin, int end, float eps)
{
    const float sum_sq = vec_dot_f32_neon(x, x, n);
    const float scale = 1.0f / sqrt_f32(sum_sq / (float)n + eps);
    x += begin;
    w += begin;
    out += begin;
    for (n = end - begin; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x);
        const float32x4x4_t b = next_f32x4(&w);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vmulq_f32(vmulq_n_f32(a.val[k], scale), b.val[k]);
        }
        put_f32x4(&out, a);
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = (x[i] * scale) * w[i];
    }
}
