// Q4_K weights times a q8_k activation.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tiles.h"

// One super-block of row r:  A = sum_j sc_j * sum q_w * q_x,  M = sum_j mn_j * sum q_x  (exact);
// f = d * A;  f = fma(-dmin, M, f);  acc = fma(f, d_x, acc)
static float add_block(float acc, const struct tile_q4_k *tile, int r, const struct act_q8_k *x)
{
    int32_t a = 0, m = 0;
    for (int j = 0; j < 8; j++) {
        int32_t dot = 0;
        for (int i = 32 * j; i < 32 * j + 32; i++) {
            dot += q4_k_quant(tile, i, r) * x->q[i];
        }
        a += q4_k_scale(tile, j, r) * dot;
        m += q4_k_min(tile, j, r) * (x->bsum[2 * j] + x->bsum[2 * j + 1]);
    }
    float f = f16_to_f32(tile->d[r]) * (float)a;
    f = fma_f32(-f16_to_f32(tile->dmin[r]), (float)m, f);
    return fma_f32(f, x->d, acc);
}

void matvec_q4_k(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)
{
    const struct tile_q4_k *tile = w_tiles;
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
