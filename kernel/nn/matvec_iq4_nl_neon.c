// NEON twin of matvec_32.c for IQ4_NL.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/tile_bits_neon.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const uint8_t *w, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles)
{
    const size_t block_bytes = sizeof(struct tile_iq4_nl);
    const int8x16_t values = vld1q_s8(iq4_values);
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    const size_t ahead = prefetch_ahead;
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w += block_bytes, x++) {
        const int8_t *q = x->q;
        const uint8_t *qs[MAX_TILES];
        int32x4_t sum[MAX_TILES][4];
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint8_t *block = w + (size_t)(i * n_blocks) * block_bytes;
            prefetch_block(block, ahead, block_bytes);
            qs[i] = block + 16;
        }
        UNROLL for (int k = 0; k < 8; k += 4)
        {
            const int8x16x4_t groups = next_activations(&q);
            UNROLL for (int i = 0; i < n_tiles; i++)
            {
                const uint8x16x4_t v = next_u8x4(&qs[i]);
                UNROLL for (int j = 0; j < 4; j += 2)
                {
                    int8x16_t w4[4];
                    iq4_group(w4, v.val[j], values, low_nibble);
                    iq4_group(w4 + 2, v.val[j + 1], values, low_nibble);
                    add_byte_groups(sum[i], w4, groups.val + j, k + j == 0);
                }
            }
        }
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const int32x4_t a[2] = {vpaddq_s32(sum[i][0], sum[i][1]),
                                    vpaddq_s32(sum[i][2], sum[i][3])};
            add_tile_32(acc[i], a, w + (size_t)(i * n_blocks) * block_bytes, x, false);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_iq4_nl_neon, tile_iq4_nl, tiles)
