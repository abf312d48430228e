// Element-wise operations and the dot product of float vectors.
#include "lib/math.h"
#include "nn/kernels.h"

// Lane i % 16 sums x[i] * y[i] with one rounding each; then lanes 4 apart, then the four that are
// left.
float vec_dot_f32(const float *x, const float *y, int n)
{
    float acc[16] = {0};
    for (int i = 0; i < n; i++) {
        acc[i % 16] = fma_f32(x[i], y[i], acc[i % 16]);
    }
    float s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (acc[i] + acc[4 + i]) + (acc[8 + i] + acc[12 + i]);
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

void vec_add(float *out, const float *x, const float *y, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = x[i] + y[i];
    }
}

void vec_mul(float *out, const float *x, const float *y, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = x[i] * y[i];
    }
}

void vec_scale(float *out, const float *x, float scale, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = x[i] * scale;
    }
}

// silu(x) = x / (1 + e^-x)
void vec_silu(float *out, const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = x[i] / (1.0f + exp_f32(-x[i]));
    }
}

// gelu(x) = x (1 + tanh u) / 2 = x / (1 + e^-2u),  2u = 2 sqrt(2 / pi) (x + 0.044715 x^3)
void vec_gelu(float *out, const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        const float u2 = x[i] * fma_f32(x[i] * x[i], GELU_CUBE, GELU_LINE);
        out[i] = x[i] / (1.0f + exp_f32(-u2));
    }
}

// cap tanh(x / cap) = cap - 2 cap / (1 + e^(2x / cap))
void vec_softcap(float *out, const float *x, float cap, int n)
{
    const float scale = 2.0f / cap;
    for (int i = 0; i < n; i++) {
        out[i] = cap - 2.0f * cap / (1.0f + exp_f32(x[i] * scale));
    }
}

float vec_max(const float *x, int n)
{
    float max = x[0];
    for (int i = 1; i < n; i++) {
        max = max_f32(max, x[i]);
    }
    return max;
}

float vec_sum(const float *x, int n)
{
    float sum[4] = {0};
    for (int i = 0; i < n; i++) {
        sum[i % 4] = sum[i % 4] + x[i];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void vec_exp(float *x, float max, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = exp_f32(x[i] - max);
    }
}

int vec_next_above(const float *x, int i, int n, float limit)
{
    while (i < n && !(x[i] > limit)) {
        i++;
    }
    return i < n ? i : n;
}
