// Float32 weights times a float vector.
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

// out[row] = sum_k w[row][k] * x[k], in the order of k, one rounding per term.
void matvec_f32(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const float *w = w_tiles, *x = act;
    for (int row = 0; row < n_rows_padded; row += FLOAT_TILE_ROWS, w += FLOAT_TILE_ROWS * n_cols) {
        for (int r = 0; r < FLOAT_TILE_ROWS; r++) {
            float acc = 0.0f;
            for (int k = 0; k < n_cols; k++) {
                acc = fma_f32(w[FLOAT_TILE_ROWS * k + r], x[k], acc);
            }
            out[row + r] = acc;
        }
    }
}
