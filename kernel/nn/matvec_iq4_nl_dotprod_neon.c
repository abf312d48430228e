// Dotprod twin of matvec_32.c for IQ4_NL: a lane is a row, an SDOT is four columns of four rows.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/tile_bits_neon.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const uint8_t *w, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles)
{
    const size_t block_bytes = sizeof(struct tile_iq4_nl);
    const int8x16_t values = vld1q_s8(iq4_values);
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w += block_bytes, x++) {
        const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint8_t *tile = w + (size_t)(i * n_blocks) * block_bytes, *qs = tile + 16;
            int32x4_t a[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
            UNROLL for (int k = 0; k < 8; k += 4)
            {
                const uint8x16x4_t v = next_u8x4(&qs);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    int8x16_t group[2];
                    iq4_group(group, v.val[g], values, low_nibble);
                    a[0] = dot_group(a[0], group[0], k < 4 ? x0 : x1, g);
                    a[1] = dot_group(a[1], group[1], k < 4 ? x0 : x1, g);
                }
            }
            add_tile_32(acc[i], a, tile, x, false);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_iq4_nl_dotprod, tile_iq4_nl, tiles)
