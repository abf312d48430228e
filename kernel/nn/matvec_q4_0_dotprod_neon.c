// Dotprod twin of matvec_q4_0.c: a lane is a row, an SDOT is four columns of four rows. Two tiles
// at once share the loads of the activations. Low and high nibbles as in
// matvec_q4_k_dotprod_neon.c.
#include "nn/activation.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

ALWAYS_INLINE void tiles(float *out, const struct tile_q4_0 *w, const struct act_q8_0 *x,
                         int n_blocks, int n_tiles)
{
    float32x4_t acc[MAX_TILES][2];
    int32x4_t sixteen = vdupq_n_s32(16);
    FORGET_LANES(sixteen); // else MLS becomes SHL and SUB
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
        const int32x4_t offset = vdupq_n_s32(-8 * x->sum); // of the lower rows
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const struct tile_q4_0 *tile = w + i * n_blocks;
            int32x4_t both = offset, high = vdupq_n_s32(0);
            const int8_t *qs = (const int8_t *)tile->qs;
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
            const int32x4_t low = vmlsq_s32(both, high, sixteen);
            const float32x4x2_t d = widen_f16(vld1q_u16(tile->d));
            acc[i][0] = vfmaq_f32(acc[i][0], vcvtq_f32_s32(low), vmulq_n_f32(d.val[0], x->d));
            acc[i][1] = vfmaq_f32(acc[i][1], vcvtq_f32_s32(high), vmulq_n_f32(d.val[1], x->d));
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

void matvec_q4_0_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
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
