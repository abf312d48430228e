// NEON twin of matvec_f32.c: a vector holds four rows at one k, so the order of the sum is kept.
// Several tiles at once share the loads of x and hide the latency of the FMA chain.
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 4

// Four columns of n_tiles tiles.
ALWAYS_INLINE void step(float32x4_t acc[], const float *tile[], float32x4_t x, int n_tiles)
{
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        const float32x4x4_t w = vld1q_f32_x4(tile[i]);
        tile[i] += 4 * FLOAT_TILE_ROWS;
        FORGET_ORIGIN(tile[i]); // else it becomes an offset from another tile, and an instruction
        acc[i] = vfmaq_laneq_f32(acc[i], w.val[0], x, 0);
        acc[i] = vfmaq_laneq_f32(acc[i], w.val[1], x, 1);
        acc[i] = vfmaq_laneq_f32(acc[i], w.val[2], x, 2);
        acc[i] = vfmaq_laneq_f32(acc[i], w.val[3], x, 3);
    }
}

ALWAYS_INLINE void tiles(float *out, const float *w, const float *x, int n_cols, int n_tiles)
{
    float32x4_t acc[MAX_TILES];
    const float *tile[MAX_TILES];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i] = vdupq_n_f32(0);
        tile[i] = w + (size_t)i * FLOAT_TILE_ROWS * n_cols;
    }
    for (int i = n_cols / 8; i > 0; i--, x += 8) {
        const float32x4_t x0 = vld1q_f32(x), x1 = vld1q_f32(x + 4);
        step(acc, tile, x0, n_tiles);
        step(acc, tile, x1, n_tiles);
    }
    if (n_cols & 4) {
        step(acc, tile, vld1q_f32(x), n_tiles);
        x += 4;
    }
    for (int k = n_cols & 3; k > 0; k--, x++) {
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            acc[i] = vfmaq_n_f32(acc[i], vld1q_f32(tile[i]), *x);
            tile[i] += FLOAT_TILE_ROWS;
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + FLOAT_TILE_ROWS * i, acc[i]);
    }
}

void matvec_f32_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                     int n_cols)
{
    const float *w = w_tiles;
    int row = 0;
    for (; row + 16 <= n_rows_padded; row += 16) {
        tiles(out + row, w + (size_t)row * n_cols, act, n_cols, 4);
    }
    for (; row < n_rows_padded; row += FLOAT_TILE_ROWS) {
        tiles(out + row, w + (size_t)row * n_cols, act, n_cols, 1);
    }
}
