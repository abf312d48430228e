// Weights in blocks of 256 times a q8_k activation.
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tile_values.h"

// Sum of the activations of sub-block j.
TYPE_CONSTANT int sub_block_sum(uint32_t type, const struct act_q8_k *x, int j)
{
    return tile_sub_block(type) == 16 ? x->bsum[j] : x->bsum[2 * j] + x->bsum[2 * j + 1];
}

// One block of row r:  A = sum_j scale_j * sum q_w * q_x,  M = sum_j min_j * sum q_x  (exact);
// f = d * A;  with mins f = fma(-dmin, M, f);  acc = fma(f, d_x, acc)
TYPE_CONSTANT float add_block(float acc, uint32_t type, const void *block, int r,
                              const struct act_q8_k *x)
{
    const int size = tile_sub_block(type);
    int32_t a = 0, m = 0;
    for (int j = 0; j < QK_K / size; j++) {
        int32_t dot = 0;
        for (int i = size * j; i < size * j + size; i++) {
            dot += tile_quant(type, block, i, r) * x->q[i];
        }
        a += tile_scale(type, block, j, r) * dot;
        m += tile_min(type, block, j, r) * sub_block_sum(type, x, j);
    }
    float f = tile_half(block, 0, r) * (float)a;
    if (tile_has_min(type)) {
        f = fma_f32(-tile_half(block, 1, r), (float)m, f);
    }
    return fma_f32(f, x->d, acc);
}

TYPE_CONSTANT void matvec(uint32_t type, float *out, const void *w_tiles, const void *act,
                          int n_rows_padded, int n_cols)
{
    const uint8_t *tile = w_tiles;
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        for (int r = 0; r < QUANT_TILE_ROWS; r++) {
            const struct act_q8_k *x = act;
            const uint8_t *block = tile;
            out[row + r] = 0.0f;
            for (int b = 0; b < n_cols / QK_K; b++, x++, block += tile_block_bytes(type)) {
                out[row + r] = add_block(out[row + r], type, block, r, x);
            }
        }
        tile += tile_row_bytes(type, (size_t)n_cols);
    }
}

#define MATVEC(name, type)                                                                         \
    void matvec_##name(float *out, const void *w_tiles, const void *act, int n_rows_padded,        \
                       int n_cols)                                                                 \
    {                                                                                              \
        matvec(type, out, w_tiles, act, n_rows_padded, n_cols);                                    \
    }
MATVEC(q2_k, TYPE_Q2_K)
MATVEC(q3_k, TYPE_Q3_K)
MATVEC(q4_k, TYPE_Q4_K)
MATVEC(q5_k, TYPE_Q5_K)
MATVEC(q6_k, TYPE_Q6_K)
MATVEC(iq4_xs, TYPE_IQ4_XS)
