// The products with several tokens, by definition: the mat-vec of each.
#include "nn/kernels.h"
#include "nn/tiles.h"

typedef void matvec_function(float *, const void *, const void *, int, int);

static void each_token(float *out, size_t out_stride, const uint8_t *w, const uint8_t *x,
                       size_t x_stride, int n_tokens, int n_rows, int n_cols, uint32_t type,
                       matvec_function *matvec)
{
    const int tile = tile_rows(type), n_whole = n_rows / tile * tile;
    const uint8_t *last_tile = w + (size_t)(n_whole / tile) * tile_row_bytes(type, (size_t)n_cols);
    for (int t = 0; t < n_tokens; t++, out += out_stride, x += x_stride) {
        matvec(out, w, x, n_whole, n_cols);
        if (n_whole < n_rows) {
            float rows[MAX_TILE_ROWS];
            matvec(rows, last_tile, x, tile, n_cols);
            for (int r = n_whole; r < n_rows; r++) {
                out[r] = rows[r - n_whole];
            }
        }
    }
}

#define GEMM(name, type)                                                                           \
    void gemm_##name(float *out, size_t out_stride, const void *w_tiles, const void *act,          \
                     size_t act_stride, int n_tokens, int n_rows, int n_cols)                      \
    {                                                                                              \
        each_token(out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols, type,      \
                   matvec_##name);                                                                 \
    }
GEMM(f32, TYPE_F32)
GEMM(f16, TYPE_F16)
GEMM(bf16, TYPE_BF16)
GEMM(q8_0, TYPE_Q8_0)
GEMM(q4_0, TYPE_Q4_0)
GEMM(q4_1, TYPE_Q4_1)
GEMM(q5_0, TYPE_Q5_0)
GEMM(q5_1, TYPE_Q5_1)
GEMM(iq4_nl, TYPE_IQ4_NL)
GEMM(q2_k, TYPE_Q2_K)
GEMM(q3_k, TYPE_Q3_K)
GEMM(q4_k, TYPE_Q4_K)
GEMM(q5_k, TYPE_Q5_K)
GEMM(q6_k, TYPE_Q6_K)
GEMM(iq4_xs, TYPE_IQ4_XS)
