// NEON twin of matvec_32.c for Q4_0 and Q4_1. Two tiles at once share the loads of the activations.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

// With has_min the tiles are of Q4_1.
ALWAYS_INLINE void tiles(float *out, const uint8_t *w, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles, bool has_min)
{
    const size_t block_bytes = has_min ? sizeof(struct tile_q4_1) : sizeof(struct tile_q4_0);
    const size_t ahead = prefetch_ahead;
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    for (int b = 0; b < n_blocks; b++, w += block_bytes, x++) {
        const int8_t *q = x->q;
        const uint8_t *qs[MAX_TILES];
        int16x8_t dot[MAX_TILES][4];
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint8_t *block = w + (size_t)(i * n_blocks) * block_bytes;
            prefetch_block(block, ahead, block_bytes);
            qs[i] = block + (has_min ? 32 : 16);
        }
        UNROLL for (int k = 0; k < 8; k += 4)
        {
            const int8x16x4_t groups = next_activations(&q);
            UNROLL for (int i = 0; i < n_tiles; i++)
            {
                add_nibble_groups(dot[i], next_u8x4(&qs[i]), low_nibble, groups.val, k == 0);
            }
        }
        // Q4_0 counts from -8, the lower rows are stored without: sum (q - 8) * x = sum q * x
        // - 8 * sum x. Q4_1 counts from 0, and the upper rows were taken 8 too small.
        const int32x4_t offset = vdupq_n_s32(8 * x->sum);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            int32x4_t a[2] = {vpaddlq_s16(vpaddq_s16(dot[i][0], dot[i][1])),
                              vpaddlq_s16(vpaddq_s16(dot[i][2], dot[i][3]))};
            if (has_min) {
                a[1] = vaddq_s32(a[1], offset);
            } else {
                a[0] = vsubq_s32(a[0], offset);
            }
            add_tile_32(acc[i], a, w + (size_t)(i * n_blocks) * block_bytes, x, has_min);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_q4_0_neon, tile_q4_0, tiles, false)
MATVEC_32(matvec_q4_1_neon, tile_q4_1, tiles, true)
