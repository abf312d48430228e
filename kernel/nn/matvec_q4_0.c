// Q4_0 weights times a q8_0 activation.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

// Per block of 32:  A = sum (q_w - 8) * q_x  (exact);  acc = fma(A, d_w * d_x, acc)
void matvec_q4_0(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const struct tile_q4_0 *tile = w_tiles;
    const struct act_q8_0 *x = act;
    const int n_blocks = n_cols / QK8_0;
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS, tile += n_blocks) {
        for (int r = 0; r < QUANT_TILE_ROWS; r++) {
            float acc = 0.0f;
            for (int b = 0; b < n_blocks; b++) {
                int32_t a = 0;
                for (int i = 0; i < QK8_0; i++) {
                    a += (q4_0_quant(&tile[b], i, r) - 8) * x[b].q[i];
                }
                acc = fma_f32((float)a, f16_to_f32(tile[b].d[r]) * x[b].d, acc);
            }
            out[row + r] = acc;
        }
    }
}
