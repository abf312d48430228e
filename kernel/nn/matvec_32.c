// Weights in blocks of 32 times a q8_0 activation.
#include "lib/math.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/tile_values.h"

// Per block:  A = sum q_w * q_x,  S = sum q_x  (exact);
// without m:  acc = fma(A, d_w * d_x, acc)
// with m:     f = d_w * A;  f = fma(m_w, S, f);  acc = fma(f, d_x, acc)
TYPE_CONSTANT float add_block(float acc, uint32_t type, const void *block, int r,
                              const struct act_q8_0 *x)
{
    int32_t a = 0;
    for (int i = 0; i < QK8_0; i++) {
        a += tile_quant(type, block, i, r) * x->q[i];
    }
    const float d = tile_half(block, 0, r);
    if (!tile_has_min(type)) {
        return fma_f32((float)a, d * x->d, acc);
    }
    return fma_f32(fma_f32(tile_half(block, 1, r), (float)x->sum, d * (float)a), x->d, acc);
}

TYPE_CONSTANT void matvec(uint32_t type, float *out, const void *w_tiles, const void *act,
                          int n_rows_padded, int n_cols)
{
    const uint8_t *tile = w_tiles;
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        for (int r = 0; r < QUANT_TILE_ROWS; r++) {
            const struct act_q8_0 *x = act;
            const uint8_t *block = tile;
            out[row + r] = 0.0f;
            for (int b = 0; b < n_cols / QK8_0; b++, x++, block += tile_block_bytes(type)) {
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
MATVEC(q8_0, TYPE_Q8_0)
MATVEC(q4_0, TYPE_Q4_0)
MATVEC(q4_1, TYPE_Q4_1)
MATVEC(q5_0, TYPE_Q5_0)
MATVEC(q5_1, TYPE_Q5_1)
MATVEC(iq4_nl, TYPE_IQ4_NL)
