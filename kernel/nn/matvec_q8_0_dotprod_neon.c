// Dotprod twin of matvec_32.c: a lane is a row, an SDOT is four columns of four rows. Two tiles
// at once share the loads of the activations.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const void *tiles, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles)
{
    const struct tile_q8_0 *w = tiles;
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const struct tile_q8_0 *tile = w + i * n_blocks;
            int32x4_t a[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
            const int8_t *qs = (const int8_t *)tile->qs;
            UNROLL for (int k = 0; k < 8; k += 2)
            {
                const int8x16_t xk = k < 4 ? x0 : x1;
                const int8x16x4_t v = next_s8x4(&qs);
                UNROLL for (int i = 0; i < 4; i++)
                {
                    a[i % 2] = dot_group(a[i % 2], v.val[i], xk, k % 4 + i / 2);
                }
            }
            const float32x4x2_t d = widen_f16(vld1q_u16(tile->d));
            UNROLL for (int h = 0; h < 2; h++)
            {
                acc[i][h] = vfmaq_f32(acc[i][h], vcvtq_f32_s32(a[h]), vmulq_n_f32(d.val[h], x->d));
            }
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_q8_0_dotprod, tile_q8_0, tiles)
