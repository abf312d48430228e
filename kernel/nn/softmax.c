// Softmax over one vector.
#include "nn/kernels.h"

// x[i] = e^(x[i] - max) / sum_j e^(x[j] - max); the sum in four lanes i % 4.
void softmax(float *x, int n)
{
    vec_exp(x, vec_max(x, n), n);
    vec_scale(x, x, 1.0f / vec_sum(x, n), n);
}
