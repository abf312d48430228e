// Dotprod twin of matvec_32.c for Q4_0 and Q4_1: a lane is a row, an SDOT is four columns of four
// rows. Two tiles at once share the loads of the activations. Low and high nibbles as in
// matvec_q4_k_dotprod_neon.c.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

// With has_min the tiles are of Q4_1.
ALWAYS_INLINE void tiles(float *out, const uint8_t *w, const struct act_q8_0 *x, int n_blocks,
                         int n_tiles, bool has_min)
{
    const size_t block_bytes = has_min ? sizeof(struct tile_q4_1) : sizeof(struct tile_q4_0);
    float32x4_t acc[MAX_TILES][2];
    int32x4_t sixteen = vdupq_n_s32(16);
    FORGET_LANES(sixteen); // else MLS becomes SHL and SUB
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w += block_bytes, x++) {
        const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
        // Q4_0: the lower rows count from -8. Q4_1: the upper ones from 0.
        const int32x4_t offset = vdupq_n_s32((has_min ? 8 * 16 : -8) * x->sum);
        const int32x4_t high_offset = vdupq_n_s32(has_min ? 8 * x->sum : 0);
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const uint8_t *tile = w + (size_t)(i * n_blocks) * block_bytes;
            const int8_t *qs = (const int8_t *)tile + (has_min ? 32 : 16);
            int32x4_t both = offset, high = high_offset;
            UNROLL for (int k = 0; k < 8; k += 4)
            {
                const int8x16_t xk = k < 4 ? x0 : x1;
                const int8x16x4_t b = next_s8x4(&qs);
                UNROLL for (int i = 0; i < 4; i++)
                {
                    both = dot_group(both, b.val[i], xk, i);
                    high = dot_group(high, vshrq_n_s8(b.val[i], 4), xk, i);
                }
            }
            const int32x4_t a[2] = {vmlsq_s32(both, high, sixteen), high};
            add_tile_32(acc[i], a, tile, x, has_min);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

MATVEC_32(matvec_q4_0_dotprod, tile_q4_0, tiles, false)
MATVEC_32(matvec_q4_1_dotprod, tile_q4_1, tiles, true)
