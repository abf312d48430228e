// Dotprod twin of matvec_32.c for Q5_0 and Q5_1: a lane is a row, an SDOT is four columns of four
// rows.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/tile_bits_neon.h"

#define MAX_TILES 2

// With has_min the tiles are of Q5_1.
ALWAYS_INLINE void tiles(float *out, const uint8_t *w, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles, bool has_min)
{
    const size_t block_bytes = has_min ? sizeof(struct tile_q5_1) : sizeof(struct tile_q5_0);
    const struct five_bits masks = five_bits_init();
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w += block_bytes, x++) {
        const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
        const int32x4_t start = vdupq_n_s32(has_min ? 16 * x->sum : 0); // Q5_1 counts from 0
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint8_t *tile = w + (size_t)(i * n_blocks) * block_bytes;
            const uint8_t *qs = tile + (has_min ? 32 : 16);
            const uint8x16x2_t qh = next_u8x2(&qs);
            int32x4_t a[2] = {start, start};
            UNROLL for (int k = 0; k < 8; k += 4)
            {
                const uint8x16x4_t v = next_u8x4(&qs);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    int8x16_t group[2];
                    five_bit_group(group, v.val[g], qh.val, k + g, &masks);
                    a[0] = dot_group(a[0], group[0], k < 4 ? x0 : x1, g);
                    a[1] = dot_group(a[1], group[1], k < 4 ? x0 : x1, g);
                }
            }
            add_tile_32(acc[i], a, tile, x, has_min);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_q5_0_dotprod, tile_q5_0, tiles, false)
MATVEC_32(matvec_q5_1_dotprod, tile_q5_1, tiles, true)
