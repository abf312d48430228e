// NEON twin of rmsnorm.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

void rmsnorm_neon(float *out, const float *x, const float *w, int n, float eps)
{
    const float sum_sq = vec_dot_f32_neon(x, x, n);
    const float scale = 1.0f / sqrt_f32(sum_sq / (float)n + eps);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t a = vmulq_n_f32(vld1q_f32(x + i), scale);
        const float32x4_t b = vmulq_n_f32(vld1q_f32(x + i + 4), scale);
        vst1q_f32(out + i, vmulq_f32(a, vld1q_f32(w + i)));
        vst1q_f32(out + i + 4, vmulq_f32(b, vld1q_f32(w + i + 4)));
    }
    for (; i < n; i++) {
        out[i] = (x[i] * scale) * w[i];
    }
}
