// GEMM of F32, F16 and BF16: a vector holds four rows at one k, so each row and token keeps the
// order of its sum. 16 rows x 4 tokens share their loads.
#include "nn/gemm_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 4

// Four columns of a tile.
ALWAYS_INLINE void load_columns(float32x4_t w[4], const uint8_t *tile, uint32_t type)
{
    if (type == TYPE_F32) {
        UNROLL for (int k = 0; k < 4; k++)
        {
            w[k] = vld1q_f32((const float *)tile + 4 * k);
        }
        return;
    }
    UNROLL for (int k = 0; k < 4; k += 2)
    {
        const uint16x8_t half = vld1q_u16((const uint16_t *)tile + 4 * k);
        const float32x4x2_t two = type == TYPE_F16 ? widen_f16(half) : widen_bf16(half);
        w[k] = two.val[0];
        w[k + 1] = two.val[1];
    }
}

ALWAYS_INLINE float32x4_t load_column(const uint8_t *tile, uint32_t type)
{
    if (type == TYPE_F32) {
        return vld1q_f32((const float *)tile);
    }
    if (type == TYPE_F16) {
        return load_f16x4((const uint16_t *)tile);
    }
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16((const uint16_t *)tile)), 16));
}

// n_tiles tiles times GEMM_TOKENS tokens.
ALWAYS_INLINE void multiply(float32x4_t acc[MAX_TILES][GEMM_TOKENS], const uint8_t *w,
                            size_t tile_bytes, const float *x[GEMM_TOKENS], int n_cols, int n_tiles,
                            uint32_t type)
{
    const size_t column_bytes = FLOAT_TILE_ROWS * (type == TYPE_F32 ? 4 : 2);
    const uint8_t *tile[MAX_TILES];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        tile[i] = w + (size_t)i * tile_bytes;
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            acc[i][t] = vdupq_n_f32(0);
        }
    }
    int k = 0;
    for (; k + 4 <= n_cols; k += 4) {
        float32x4_t q[GEMM_TOKENS];
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            q[t] = vld1q_f32(x[t]);
            x[t] += 4;
            FORGET_ORIGIN(x[t]); // loads with post-increment
        }
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            float32x4_t wk[4];
            load_columns(wk, tile[i], type);
            tile[i] += 4 * column_bytes;
            FORGET_ORIGIN(tile[i]);
            UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
            {
                acc[i][t] = vfmaq_laneq_f32(acc[i][t], wk[0], q[t], 0);
                acc[i][t] = vfmaq_laneq_f32(acc[i][t], wk[1], q[t], 1);
                acc[i][t] = vfmaq_laneq_f32(acc[i][t], wk[2], q[t], 2);
                acc[i][t] = vfmaq_laneq_f32(acc[i][t], wk[3], q[t], 3);
            }
        }
    }
    for (; k < n_cols; k++) {
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const float32x4_t wk = load_column(tile[i], type);
            tile[i] += column_bytes;
            UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
            {
                acc[i][t] = vfmaq_n_f32(acc[i][t], wk, x[t][0]);
            }
        }
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            x[t]++;
        }
    }
}

// n_tiles tiles for all tokens; the last group repeats its last token.
ALWAYS_INLINE void rows_of_tiles(const struct gemm *g, float *out, const uint8_t *w,
                                 size_t tile_bytes, int n_rows, int n_tiles, uint32_t type)
{
    for (int t = 0; t < g->n_tokens; t += GEMM_TOKENS) {
        const float *x[GEMM_TOKENS];
        float32x4_t acc[MAX_TILES][GEMM_TOKENS];
        const int n = g->n_tokens - t < GEMM_TOKENS ? g->n_tokens - t : GEMM_TOKENS;
        UNROLL for (int i = 0; i < GEMM_TOKENS; i++)
        {
            x[i] = (const float *)(g->x + (size_t)(t + (i < n ? i : n - 1)) * g->x_stride);
        }
        multiply(acc, w, tile_bytes, x, g->n_cols, n_tiles, type);
        UNROLL for (int i = 0; i < GEMM_TOKENS; i++)
        {
            float *row = out + (size_t)(t + i) * g->out_stride;
            UNROLL for (int j = 0; j < n_tiles; j++)
            {
                const int left = n_rows - FLOAT_TILE_ROWS * j;
                if (i < n && left >= FLOAT_TILE_ROWS) {
                    vst1q_f32(row + FLOAT_TILE_ROWS * j, acc[j][i]);
                } else if (i < n && left > 0) {
                    store_tail(row + FLOAT_TILE_ROWS * j, acc[j][i], left);
                }
            }
        }
    }
}

ALWAYS_INLINE void gemm_floats(const struct gemm *g, uint32_t type)
{
    const size_t tile_bytes = tile_row_bytes(type, (size_t)g->n_cols);
    const uint8_t *w = g->w;
    int row = 0;
    for (; row + MAX_TILES * FLOAT_TILE_ROWS <= g->n_rows; row += MAX_TILES * FLOAT_TILE_ROWS) {
        rows_of_tiles(g, g->out + row, w, tile_bytes, MAX_TILES * FLOAT_TILE_ROWS, MAX_TILES, type);
        w += MAX_TILES * tile_bytes;
    }
    for (; row < g->n_rows; row += FLOAT_TILE_ROWS, w += tile_bytes) {
        rows_of_tiles(g, g->out + row, w, tile_bytes, g->n_rows - row, 1, type);
    }
}

#define GEMM(name, type)                                                                           \
    void gemm_##name##_neon(float *out, size_t out_stride, const void *w_tiles, const void *act,   \
                            size_t act_stride, int n_tokens, int n_rows, int n_cols)               \
    {                                                                                              \
        const struct gemm g = {                                                                    \
            out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols};                  \
        gemm_floats(&g, type);                                                                     \
    }
GEMM(f32, TYPE_F32)
GEMM(f16, TYPE_F16)
GEMM(bf16, TYPE_BF16)
