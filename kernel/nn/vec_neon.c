// NEON twin of vec.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

float vec_dot_f32_neon(const float *x, const float *y, int n)
{
    float32x4_t v[4];
    UNROLL for (int k = 0; k < 4; k++)
    {
        v[k] = vdupq_n_f32(0);
    }
    for (; n >= 16; n -= 16) {
        const float32x4x4_t a = next_f32x4(&x), b = next_f32x4(&y);
        UNROLL for (int k = 0; k < 4; k++)
        {
            v[k] = vfmaq_f32(v[k], a.val[k], b.val[k]);
        }
    }
    if (n > 0) { // lanes without an element keep their value, a negative zero included
        float acc[16];
        for (int k = 0; k < 4; k++) {
            vst1q_f32(acc + 4 * k, v[k]);
        }
        for (int lane = 0; lane < n; lane++) {
            acc[lane] = fma_f32(x[lane], y[lane], acc[lane]);
        }
        for (int k = 0; k < 4; k++) {
            v[k] = vld1q_f32(acc + 4 * k);
        }
    }
    return sum_lanes(vaddq_f32(vaddq_f32(v[0], v[1]), vaddq_f32(v[2], v[3])));
}

void vec_add_neon(float *out, const float *x, const float *y, int n)
{
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x);
        const float32x4x4_t b = next_f32x4(&y);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vaddq_f32(a.val[k], b.val[k]);
        }
        put_f32x4(&out, a);
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = x[i] + y[i];
    }
}

void vec_mul_neon(float *out, const float *x, const float *y, int n)
{
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x);
        const float32x4x4_t b = next_f32x4(&y);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vmulq_f32(a.val[k], b.val[k]);
        }
        put_f32x4(&out, a);
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = x[i] * y[i];
    }
}

void vec_scale_neon(float *out, const float *x, float scale, int n)
{
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vmulq_n_f32(a.val[k], scale);
        }
        put_f32x4(&out, a);
    }
    NO_VECTORS for (int i = 0; i < n; i++)
    {
        out[i] = x[i] * scale;
    }
}

ALWAYS_INLINE float32x4_t silu(float32x4_t x)
{
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp_f32x4(vnegq_f32(x))));
}

void vec_silu_neon(float *out, const float *x, int n)
{
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = next_f32x4(&x), e;
        UNROLL for (int k = 0; k < 4; k++)
        {
            e.val[k] = vnegq_f32(a.val[k]);
        }
        exp_f32x16(e.val);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vdivq_f32(a.val[k], vaddq_f32(vdupq_n_f32(1.0f), e.val[k]));
        }
        put_f32x4(&out, a);
    }
    for (; n > 0; n -= 4, x += 4, out += 4) {
        if (n >= 4) {
            vst1q_f32(out, silu(vld1q_f32(x)));
        } else {
            store_tail(out, silu(load_tail(x, n)), n);
        }
    }
}

ALWAYS_INLINE float32x4_t gelu(float32x4_t x)
{
    const float32x4_t cube = vdupq_n_f32(GELU_CUBE), line = vdupq_n_f32(GELU_LINE);
    const float32x4_t u2 = vmulq_f32(x, vfmaq_f32(line, vmulq_f32(x, x), cube));
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp_f32x4(vnegq_f32(u2))));
}

void vec_gelu_neon(float *out, const float *x, int n)
{
    for (; n > 0; n -= 4, x += 4, out += 4) {
        if (n >= 4) {
            vst1q_f32(out, gelu(vld1q_f32(x)));
        } else {
            store_tail(out, gelu(load_tail(x, n)), n);
        }
    }
}

ALWAYS_INLINE float32x4_t softcap(float32x4_t x, float cap, float scale)
{
    const float32x4_t e = exp_f32x4(vmulq_n_f32(x, scale));
    const float32x4_t part = vdivq_f32(vdupq_n_f32(2.0f * cap), vaddq_f32(vdupq_n_f32(1.0f), e));
    return vsubq_f32(vdupq_n_f32(cap), part);
}

void vec_softcap_neon(float *out, const float *x, float cap, int n)
{
    const float scale = 2.0f / cap;
    for (; n > 0; n -= 4, x += 4, out += 4) {
        if (n >= 4) {
            vst1q_f32(out, softcap(vld1q_f32(x), cap, scale));
        } else {
            store_tail(out, softcap(load_tail(x, n), cap, scale), n);
        }
    }
}

float vec_max_neon(const float *x, int n)
{
    float max = x[0];
    if (n >= 4) {
        float32x4_t m = vdupq_n_f32(max);
        for (; n >= 16; n -= 16) {
            const float32x4x4_t a = next_f32x4(&x);
            m = vmaxnmq_f32(
                m, vmaxnmq_f32(vmaxnmq_f32(a.val[0], a.val[1]), vmaxnmq_f32(a.val[2], a.val[3])));
        }
        for (; n >= 4; n -= 4, x += 4) {
            m = vmaxnmq_f32(m, vld1q_f32(x));
        }
        max = vmaxnmvq_f32(m);
    }
    for (int i = 0; i < n; i++) {
        max = max_f32(max, x[i]);
    }
    return max;
}

float vec_sum_neon(const float *x, int n)
{
    float32x4_t sum = vdupq_n_f32(0);
    for (; n >= 16; n -= 16) {
        const float32x4x4_t a = next_f32x4(&x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            sum = vaddq_f32(sum, a.val[k]);
        }
    }
    for (; n >= 4; n -= 4, x += 4) {
        sum = vaddq_f32(sum, vld1q_f32(x));
    }
    if (n > 0) {
        sum = vaddq_f32(sum, load_tail(x, n)); // + 0 changes no lane: none is a negative zero
    }
    return sum_lanes(sum);
}

void vec_exp_neon(float *x, float max, int n)
{
    const float32x4_t m = vdupq_n_f32(max);
    for (; n >= 16; n -= 16) {
        float32x4x4_t a = vld1q_f32_x4(x);
        UNROLL for (int k = 0; k < 4; k++)
        {
            a.val[k] = vsubq_f32(a.val[k], m);
        }
        exp_f32x16_to_88(a.val);
        put_f32x4(&x, a);
    }
    for (; n > 0; n -= 4, x += 4) {
        if (n >= 4) {
            vst1q_f32(x, exp_f32x4_to_88(vsubq_f32(vld1q_f32(x), m)));
        } else {
            store_tail(x, exp_f32x4_to_88(vsubq_f32(load_tail(x, n), m)), n);
        }
    }
}

int vec_next_above_neon(const float *x, int i, int n, float limit)
{
    for (const float *p = x + i; i + 32 <= n; i += 32) {
        const float32x4x4_t a = next_f32x4(&p), b = next_f32x4(&p);
        float32x4_t m[4];
        UNROLL for (int k = 0; k < 4; k++)
        {
            m[k] = vmaxnmq_f32(a.val[k], b.val[k]);
        }
        if (vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(m[0], m[1]), vmaxnmq_f32(m[2], m[3]))) > limit) {
            break; // one of these
        }
    }
    while (i + 4 <= n && !(vmaxnmvq_f32(vld1q_f32(x + i)) > limit)) {
        i += 4;
    }
    while (i < n && !(x[i] > limit)) {
        i++;
    }
    return i < n ? i : n;
}
