// NEON twin of matvec_32.c. Two tiles at once share the loads of the activations.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const void *tiles, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles)
{
    const struct tile_q8_0 *w = tiles;
    const size_t ahead = prefetch_ahead;
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        const int8_t *q = x->q;
        const int8_t *qs[MAX_TILES];
        int32x4_t sum[MAX_TILES][4];
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            prefetch_block(&w[i * n_blocks], ahead, sizeof *w);
            qs[i] = (const int8_t *)w[i * n_blocks].qs;
        }
        UNROLL for (int k = 0; k < 8; k += 4)
        {
            const int8x16x4_t groups = next_activations(&q);
            UNROLL for (int j = 0; j < 4; j += 2)
            {
                UNROLL for (int i = 0; i < n_tiles; i++)
                {
                    add_byte_groups(sum[i], next_s8x4(&qs[i]).val, groups.val + j, k + j == 0);
                }
            }
        }
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const float32x4x2_t d = widen_f16(vld1q_u16(w[i * n_blocks].d));
            UNROLL for (int h = 0; h < 2; h++)
            {
                const int32x4_t a = vpaddq_s32(sum[i][2 * h], sum[i][2 * h + 1]);
                acc[i][h] = vfmaq_f32(acc[i][h], vcvtq_f32_s32(a), vmulq_n_f32(d.val[h], x->d));
            }
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_q8_0_neon, tile_q8_0, tiles)
