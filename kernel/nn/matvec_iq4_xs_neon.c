// NEON twin of matvec_k.c for IQ4_XS.
#include "nn/activation.h"
#include "nn/block_k_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/tile_bits_neon.h"

// 32 columns of eight rows.
ALWAYS_INLINE void dot_sub_block(int32x4_t dot[2], const uint8_t **qs, const int8_t **q,
                                 int8x16_t values, uint8x16_t low_nibble)
{
    int32x4_t sum[4];
    UNROLL for (int k = 0; k < 8; k += 4)
    {
        const int8x16x4_t groups = next_activations(q);
        const uint8x16x4_t v = next_u8x4(qs);
        UNROLL for (int i = 0; i < 4; i += 2)
        {
            int8x16_t w[4];
            iq4_group(w, v.val[i], values, low_nibble);
            iq4_group(w + 2, v.val[i + 1], values, low_nibble);
            add_byte_groups(sum, w, groups.val + i, k + i == 0);
        }
    }
    dot[0] = vpaddq_s32(sum[0], sum[1]);
    dot[1] = vpaddq_s32(sum[2], sum[3]);
}

void matvec_iq4_xs_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                        int n_cols)
{
    const struct tile_iq4_xs *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    const size_t ahead = prefetch_ahead;
    const int8x16_t values = vld1q_s8(iq4_values);
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        float32x4_t acc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            prefetch_block(tile, ahead, sizeof *tile);
            const uint8_t *qs = tile->qs[0][0][0];
            const int8_t *q = x->q;
            int32x4_t a[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
            int8x16_t scale[4];
            s3_scales(scale, tile->s6);
            UNROLL for (int j = 0; j < 8; j++)
            {
                const int8x16_t sc = scale[j / 2];
                const int16x8_t s = j % 2 ? vmovl_high_s8(sc) : vmovl_s8(vget_low_s8(sc));
                int32x4_t dot[2];
                dot_sub_block(dot, &qs, &q, values, low_nibble);
                a[0] = vmlaq_s32(a[0], dot[0], vmovl_s16(vget_low_s16(s)));
                a[1] = vmlaq_s32(a[1], dot[1], vmovl_high_s16(s));
            }
            add_tile_k(acc, a, a, tile, x->d, false);
        }
        vst1q_f32(out + row, acc[0]);
        vst1q_f32(out + row + 4, acc[1]);
    }
}
