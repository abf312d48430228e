// Rotary position embedding, in the two pairings that models are trained with.
#include "lib/math.h"
#include "nn/kernels.h"

// (a, b) -> (a cos - b sin, a sin + b cos) for the pairs (2i, 2i + 1) of each head, i < n_rot / 2;
// the second product is rounded before the fused first one. Elements from n_rot on stay.
void rope(float *x, const float *table_row, int n_heads, int head_size, int n_rot)
{
    for (int h = 0; h < n_heads; h++, x += head_size) {
        for (int i = 0; i < n_rot; i += 2) {
            const float a = x[i], b = x[i + 1];
            const float c = table_row[i], s = table_row[i + 1];
            x[i] = fma_f32(a, c, -(b * s));
            x[i + 1] = fma_f32(a, s, b * c);
        }
    }
}

// The same for the pairs (i, i + n_rot / 2).
void rope_halves(float *x, const float *table_row, int n_heads, int head_size, int n_rot)
{
    const int half = n_rot / 2;
    for (int h = 0; h < n_heads; h++, x += head_size) {
        for (int i = 0; i < half; i++) {
            const float a = x[i], b = x[half + i];
            const float c = table_row[2 * i], s = table_row[2 * i + 1];
            x[i] = fma_f32(a, c, -(b * s));
            x[half + i] = fma_f32(a, s, b * c);
        }
    }
}
