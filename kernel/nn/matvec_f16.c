// Weights of 16 bits, IEEE half or bfloat16, times a float vector: widened exactly, then as
// float32.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

void matvec_f16(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const uint16_t *w = w_tiles;
    const float *x = act;
    for (int row = 0; row < n_rows_padded; row += FLOAT_TILE_ROWS, w += FLOAT_TILE_ROWS * n_cols) {
        for (int r = 0; r < FLOAT_TILE_ROWS; r++) {
            float acc = 0.0f;
            for (int k = 0; k < n_cols; k++) {
                acc = fma_f32(f16_to_f32(w[FLOAT_TILE_ROWS * k + r]), x[k], acc);
            }
            out[row + r] = acc;
        }
    }
}

void matvec_bf16(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const uint16_t *w = w_tiles;
    const float *x = act;
    for (int row = 0; row < n_rows_padded; row += FLOAT_TILE_ROWS, w += FLOAT_TILE_ROWS * n_cols) {
        for (int r = 0; r < FLOAT_TILE_ROWS; r++) {
            float acc = 0.0f;
            for (int k = 0; k < n_cols; k++) {
                acc = fma_f32(bf16_to_f32(w[FLOAT_TILE_ROWS * k + r]), x[k], acc);
            }
            out[row + r] = acc;
        }
    }
}
