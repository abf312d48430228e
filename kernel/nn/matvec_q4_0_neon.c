// NEON twin of matvec_q4_0.c. Two tiles at once share the loads of the activations.
#include "nn/activation.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const struct tile_q4_0 *w, const struct act_q8_0 *x,
                         int n_blocks, int n_tiles)
{
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        const int8_t *q = x->q;
        const uint8_t *qs[MAX_TILES];
        int16x8_t dot[MAX_TILES][4];
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            qs[i] = (const uint8_t *)w[i * n_blocks].qs;
        }
        UNROLL for (int k = 0; k < 8; k += 4)
        {
            int8x16_t groups[4];
            UNROLL for (int i = 0; i < 4; i++)
            {
                groups[i] = next_group(&q);
            }
            UNROLL for (int i = 0; i < n_tiles; i++)
            {
                add_nibble_groups(dot[i], next_u8x4(&qs[i]), low_nibble, groups, k == 0);
            }
        }
        // The lower rows are stored without their offset: sum (q - 8) * x = sum q * x - 8 * sum x.
        const int32x4_t offset = vdupq_n_s32(8 * x->sum);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const struct tile_q4_0 *tile = w + i * n_blocks;
            const int32x4_t low = vpaddlq_s16(vpaddq_s16(dot[i][0], dot[i][1]));
            const int32x4_t high = vpaddlq_s16(vpaddq_s16(dot[i][2], dot[i][3]));
            const float32x4x2_t d = widen_f16(vld1q_u16(tile->d));
            acc[i][0] = vfmaq_f32(acc[i][0], vcvtq_f32_s32(vsubq_s32(low, offset)),
                                  vmulq_n_f32(d.val[0], x->d));
            acc[i][1] = vfmaq_f32(acc[i][1], vcvtq_f32_s32(high), vmulq_n_f32(d.val[1], x->d));
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

void matvec_q4_0_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q4_0 *w = w_tiles;
    const int n_blocks = n_cols / QK8_0;
    int row = 0;
    for (; row + 16 <= n_rows_padded; row += 16, w += 2 * n_blocks) {
        tiles(out + row, w, act, n_blocks, 2);
    }
    if (row < n_rows_padded) {
        tiles(out + row, w, act, n_blocks, 1);
    }
}
