// NEON twin of matvec_f16.c, built as matvec_f32_neon.c.
#include "lib/f16.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

ALWAYS_INLINE float32x4x2_t widen(uint16x8_t value, bool bf16)
{
    return bf16 ? widen_bf16(value) : widen_f16(value);
}

ALWAYS_INLINE float32x4_t load4(const uint16_t *p, bool bf16)
{
    return bf16 ? vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16)) : load_f16x4(p);
}

ALWAYS_INLINE void tiles(float *out, const uint16_t *w, const float *x, int n_cols, int n_tiles,
                         bool bf16)
{
    float32x4_t acc[4];
    const uint16_t *tile[4];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i] = vdupq_n_f32(0);
        tile[i] = w + (size_t)i * FLOAT_TILE_ROWS * n_cols;
    }
    int k = 0;
    for (; k + 8 <= n_cols; k += 8) {
        const float32x4_t x0 = vld1q_f32(x + k), x1 = vld1q_f32(x + k + 4);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint16x8x4_t wk = vld1q_u16_x4(tile[i]);
            tile[i] += 32;
            const float32x4x2_t w0 = widen(wk.val[0], bf16), w1 = widen(wk.val[1], bf16);
            acc[i] = vfmaq_laneq_f32(acc[i], w0.val[0], x0, 0);
            acc[i] = vfmaq_laneq_f32(acc[i], w0.val[1], x0, 1);
            acc[i] = vfmaq_laneq_f32(acc[i], w1.val[0], x0, 2);
            acc[i] = vfmaq_laneq_f32(acc[i], w1.val[1], x0, 3);
            const float32x4x2_t w2 = widen(wk.val[2], bf16), w3 = widen(wk.val[3], bf16);
            acc[i] = vfmaq_laneq_f32(acc[i], w2.val[0], x1, 0);
            acc[i] = vfmaq_laneq_f32(acc[i], w2.val[1], x1, 1);
            acc[i] = vfmaq_laneq_f32(acc[i], w3.val[0], x1, 2);
            acc[i] = vfmaq_laneq_f32(acc[i], w3.val[1], x1, 3);
        }
    }
    for (; k < n_cols; k++) {
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            acc[i] = vfmaq_n_f32(acc[i], load4(tile[i], bf16), x[k]);
            tile[i] += FLOAT_TILE_ROWS;
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + FLOAT_TILE_ROWS * i, acc[i]);
    }
}

ALWAYS_INLINE void matvec(float *out, const uint16_t *w, const float *x, int n_rows_padded,
                          int n_cols, bool bf16)
{
    int row = 0;
    for (; row + 16 <= n_rows_padded; row += 16) {
        tiles(out + row, w + (size_t)row * n_cols, x, n_cols, 4, bf16);
    }
    for (; row < n_rows_padded; row += FLOAT_TILE_ROWS) {
        tiles(out + row, w + (size_t)row * n_cols, x, n_cols, 1, bf16);
    }
}

void matvec_f16_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                     int n_cols)
{
    matvec(out, w_tiles, act, n_rows_padded, n_cols, false);
}

void matvec_bf16_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    matvec(out, w_tiles, act, n_rows_padded, n_cols, true);
}
