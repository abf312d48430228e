// Softmax over one vector.
#include "lib/math.h"
#include "nn/kernels.h"

// x[i] = e^(x[i] - max) / sum_j e^(x[j] - max); the sum in four lanes i % 4.
void softmax(float *x, int n)
{
    float max = x[0];
    for (int i = 1; i < n; i++) {
        max = max_f32(max, x[i]);
    }
    float sum[4] = {0};
    for (int i = 0; i < n; i++) {
        x[i] = exp_f32(x[i] - max);
        sum[i % 4] = sum[i % 4] + x[i];
    }
    const float inverse = 1.0f / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (int i = 0; i < n; i++) {
        x[i] = x[i] * inverse;
    }
}
