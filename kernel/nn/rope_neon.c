// NEON twin of rope.c.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

void rope_neon(float *x, const float *table_row, int n_heads, int head_size, int n_rot)
{
    for (int h = 0; h < n_heads; h++, x += head_size) {
        int i = 0;
        for (; i + 8 <= n_rot; i += 8) { // four pairs, taken apart into a and b
            const float32x4x2_t v = vld2q_f32(x + i), angle = vld2q_f32(table_row + i);
            const float32x4_t a = v.val[0], b = v.val[1], c = angle.val[0], s = angle.val[1];
            float32x4x2_t rotated;
            rotated.val[0] = vfmaq_f32(vnegq_f32(vmulq_f32(b, s)), a, c);
            rotated.val[1] = vfmaq_f32(vmulq_f32(b, c), a, s);
            vst2q_f32(x + i, rotated);
        }
        for (; i < n_rot; i += 2) {
            const float a = x[i], b = x[i + 1];
            const float c = table_row[i], s = table_row[i + 1];
            x[i] = fma_f32(a, c, -(b * s));
            x[i + 1] = fma_f32(a, s, b * c);
        }
    }
}

void rope_halves_neon(float *x, const float *table_row, int n_heads, int head_size, int n_rot)
{
    const int half = n_rot / 2;
    for (int h = 0; h < n_heads; h++, x += head_size) {
        int i = 0;
        for (; i + 4 <= half; i += 4) {
            const float32x4x2_t angle = vld2q_f32(table_row + 2 * i);
            const float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + half + i);
            const float32x4_t c = angle.val[0], s = angle.val[1];
            vst1q_f32(x + i, vfmaq_f32(vnegq_f32(vmulq_f32(b, s)), a, c));
            vst1q_f32(x + half + i, vfmaq_f32(vmulq_f32(b, c), a, s));
        }
        for (; i < half; i++) {
            const float a = x[i], b = x[half + i];
            const float c = table_row[2 * i], s = table_row[2 * i + 1];
            x[i] = fma_f32(a, c, -(b * s));
            x[half + i] = fma_f32(a, s, b * c);
        }
    }
}
