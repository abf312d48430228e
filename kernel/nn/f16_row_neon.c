// NEON twin of f16_row.c.
#include "lib/f16.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

void f32_to_f16_row_neon(uint16_t *out, const float *x, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const float16x4_t low = vcvt_f16_f32(vld1q_f32(x + i));
        const float16x8_t both = vcvt_high_f16_f32(low, vld1q_f32(x + i + 4));
        vst1q_u16(out + i, vreinterpretq_u16_f16(both));
    }
    for (; i < n; i++) {
        out[i] = f32_to_f16(x[i]);
    }
}
