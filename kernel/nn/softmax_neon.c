// NEON twin of softmax.c.
#include "nn/kernels.h"
#include "nn/simd_neon.h"

void softmax_neon(float *x, int n)
{
    const float32x4_t max = vdupq_n_f32(vec_max_neon(x, n));
    float32x4_t sum = vdupq_n_f32(0);
    float *p = x;
    int left = n;
    for (; left >= 16; left -= 16) {
        float32x4x4_t a = vld1q_f32_x4(p);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vsubq_f32(a.val[k], max);
        }
        exp_f32x16_to_88(a.val);
        UNROLL for (int k = 0; k < 4; k++)
        {
            sum = vaddq_f32(sum, a.val[k]);
        }
        put_f32x4(&p, a);
    }
    for (; left > 0; left -= 4, p += 4) {
        const int n_lanes = left < 4 ? left : 4;
        store_tail(p, exp_f32x4_to_88(vsubq_f32(load_tail(p, n_lanes), max)), n_lanes);
        sum = vaddq_f32(sum, load_tail(p, n_lanes)); // + 0 changes no lane: none is negative
    }
    vec_scale_neon(x, x, 1.0f / sum_lanes(sum), n);
}
