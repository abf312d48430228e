// NEON twin of rmsnorm.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/quantize_neon.h"
#include "nn/simd_neon.h"

// vec_dot_f32(x, x), but each element is loaded once.
ALWAYS_INLINE float sum_of_squares(const float *x, int n)
{
    if (n % 32 != 0) {
        return vec_dot_f32_neon(x, x, n);
    }
    float32x4_t v[4];
    UNROLL for (int k = 0; k < 4; k++)
    {
        v[k] = vdupq_n_f32(0);
    }
    for (; n > 0; n -= 32) {
        const float32x4x4_t a = next_f32x4(&x), b = next_f32x4(&x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            v[k] = vfmaq_f32(v[k], a.val[k], a.val[k]);
            v[k] = vfmaq_f32(v[k], b.val[k], b.val[k]);
        }
    }
    return sum_lanes(vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3])));
}

ALWAYS_INLINE float scale_of(const float *x, int n, float eps)
{
    return 1.0f / sqrt_f32(sum_of_squares(x, n) / (float)n + eps);
}

// The next sixteen of (x * scale) * w.
ALWAYS_INLINE float32x4x4_t norm_next(const float **x, const float **w, float scale)
{
    float32x4x4_t a = next_f32x4(x);
    const float32x4x4_t b = next_f32x4(w);
    UNROLL for (int k = 0; k < 4; k++)
    {
        a.val[k] = vmulq_f32(vmulq_n_f32(a.val[k], scale), b.val[k]);
    }
    return a;
}

void rmsnorm_neon(float *out, const float *x, const float *w, int n, int begin, int end, float eps)
{
    const float scale = scale_of(x, n, eps);
    x += begin;
    w += begin;
    out += begin;
    for (n = end - begin; n >= 16; n -= 16) {
        put_f32x4(&out, norm_next(&x, &w, scale));
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = (x[i] * scale) * w[i];
    }
}

// The block's largest magnitude is found on the way: it is not read again for that.
void rmsnorm_q8_k_neon(void *act, float *out, const float *x, const float *w, int n, int begin,
                       int end, float eps)
{
    const float scale = scale_of(x, n, eps);
    struct act_q8_k *block = act;
    x += begin;
    w += begin;
    out += begin;
    for (n = end - begin; n > 0; n -= QK_K, block++) {
        const float *values = out;
        float32x4_t m[4];
        UNROLL for (int k = 0; k < 4; k++)
        {
            m[k] = vdupq_n_f32(0);
        }
        for (int i = 0; i < QK_K; i += 32) {
            UNROLL for (int j = 0; j < 2; j++)
            {
                const float32x4x4_t h = norm_next(&x, &w, scale);
                UNROLL for (int k = 0; k < 4; k++)
                {
                    m[k] = vmaxnmq_f32(m[k], vabsq_f32(h.val[k]));
                }
                put_f32x4(&out, h);
            }
        }
        const float32x4_t max = vmaxq_f32(vmaxq_f32(m[0], m[1]), vmaxq_f32(m[2], m[3]));
        quantize_q8_k_block(block, values, vmaxvq_f32(max));
    }
}
