// A row of floats to halves, for the KV cache.
#include "lib/f16.h"
#include "nn/kernels.h"

void f32_to_f16_row(uint16_t *out, const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = f32_to_f16(x[i]);
    }
}
