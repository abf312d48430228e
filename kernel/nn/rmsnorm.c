// RMS norm.
#include "lib/math.h"
#include "nn/kernels.h"

// out = x / rms(x) * w,  rms(x) = sqrt(mean(x^2) + eps)
//
// x, w, out: (n,), n >= 1. The norm of all of x, for elements [begin, end) of out.
void rmsnorm(float *out, const float *x, const float *w, int n, int begin, int end, float eps)
{
    const float sum_sq = vec_dot_f32(x, x, n);
    const float scale = 1.0f / sqrt_f32(sum_sq / (float)n + eps);
    for (int i = begin; i < end; i++) {
        out[i] = (x[i] * scale) * w[i];
    }
}

void rmsnorm_q8_k(void *act, float *out, const float *x, const float *w, int n, int begin, int end,
                  float eps)
{
    rmsnorm(out, x, w, n, begin, end, eps);
    quantize_q8_k(act, out + begin, end - begin);
}
