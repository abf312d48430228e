// Q6_K weights times a q8_k activation.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

// One super-block of row r:  A = sum_j sc_j * sum (q_w - 32) * q_x  (exact);
// f = d * A;  acc = fma(f, d_x, acc)
static float add_block(float acc, const struct tile_q6_k *tile, int r, const struct act_q8_k *x)
{
    int32_t a = 0;
    for (int j = 0; j < 16; j++) {
        int32_t dot = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            dot += (q6_k_quant(tile, i, r) - 32) * x->q[i];
        }
        a += tile->sc[j][r] * dot;
    }
    return fma_f32(f16_to_f32(tile->d[r]) * (float)a, x->d, acc);
}

void matvec_q6_k(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const struct tile_q6_k *tile = w_tiles;
    const struct act_q8_k *x = act;
    const int n_blocks = n_cols / QK_K;
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS, tile += n_blocks) {
        for (int r = 0; r < QUANT_TILE_ROWS; r++) {
            float acc = 0.0f;
            for (int b = 0; b < n_blocks; b++) {
                acc = add_block(acc, &tile[b], r, &x[b]);
            }
            out[row + r] = acc;
        }
    }
}
