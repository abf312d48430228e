// Layer norm.
#include "lib/math.h"
#include "nn/kernels.h"

static float sum_of_lanes(const float acc[16])
{
    float s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (acc[i] + acc[4 + i]) + (acc[8 + i] + acc[12 + i]);
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

// out = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w + b
//
// x, w, b, out: (n,). Both means are sums over lanes i % 16, as vec_dot_f32's.
void layernorm(float *out, const float *x, const float *w, const float *b, int n, float eps)
{
    float sum[16] = {0}, sum_sq[16] = {0};
    for (int i = 0; i < n; i++) {
        sum[i % 16] = sum[i % 16] + x[i];
    }
    const float mean = sum_of_lanes(sum) / (float)n;
    for (int i = 0; i < n; i++) {
        const float d = x[i] - mean;
        sum_sq[i % 16] = fma_f32(d, d, sum_sq[i % 16]);
    }
    const float scale = 1.0f / sqrt_f32(sum_of_lanes(sum_sq) / (float)n + eps);
    for (int i = 0; i < n; i++) {
        out[i] = (x[i] - mean) * scale * w[i] + b[i];
    }
}
