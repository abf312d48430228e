// Dotprod twin of matvec_k.c for Q2_K and Q3_K: a lane is a row, an SDOT is four columns of four
// rows.
#include "nn/activation.h"
#include "nn/block_k_neon.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/tile_bits_neon.h"

// 16 columns of eight rows times x, to start's sums.
ALWAYS_INLINE void dot_groups(int32x4_t dot[2], const uint8_t **qs, int8x16_t x, int32x4_t start,
                              uint8x16_t mask, bool q3_k)
{
    int8x16_t low[4], high[4];
    if (q3_k) {
        three_bit_groups(low, high, next_u8x3(qs).val, mask);
    } else {
        const uint8x16x2_t v = next_u8x2(qs);
        two_bit_groups(low, v.val[0], mask);
        two_bit_groups(high, v.val[1], mask);
    }
    dot[0] = dot[1] = start;
    UNROLL for (int i = 0; i < 4; i++)
    {
        dot[0] = dot_group(dot[0], low[i], x, i);
        dot[1] = dot_group(dot[1], high[i], x, i);
    }
}

// q3_k: else the tiles are of Q2_K.
ALWAYS_INLINE void rows(float *out, const uint8_t *tile, const struct act_q8_k *act, int n_rows,
                        int n_cols, bool q3_k)
{
    const struct act_q8_k *end = act + n_cols / QK_K;
    uint8x16_t mask = vdupq_n_u8(q3_k ? 7 : 3);
    FORGET_LANES(mask); // else it is made anew before each use
    for (int row = 0; row < n_rows; row += QUANT_TILE_ROWS) {
        float32x4_t acc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (const struct act_q8_k *x = act; x != end; x++) {
            const struct tile_q2_k *q2 = (const struct tile_q2_k *)tile;
            const struct tile_q3_k *q3 = (const struct tile_q3_k *)tile;
            const uint8_t *qs = q3_k ? q3->qs[0][0][0] : q2->qs[0][0][0];
            const int8_t *q = x->q;
            const int16x8_t sums[2] = {vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8)};
            int32x4_t offset[4]; // of four sub-blocks each: the weights of Q3_K count from -4
            UNROLL for (int i = 0; i < 4 && q3_k; i++)
            {
                offset[i] = vmull_n_s16(vld1_s16(x->bsum + 4 * i), -4);
            }
            int32x4_t a[2], m[2];
            a[0] = a[1] = m[0] = m[1] = vdupq_n_s32(0);
            int8x16_t s3[4];
            int8x16x4_t xs; // of four sub-blocks
            UNROLL for (int j = 0; j < 16; j += 2)
            {
                if (j % 4 == 0) {
                    xs = next_s8x4(&q);
                }
                int8x16_t sc;
                if (q3_k) {
                    if (j % 8 == 0) {
                        s3_scales(s3, q3->s6[j / 8]);
                    }
                    sc = s3[j % 8 / 2];
                } else {
                    const uint8x16_t bytes = vld1q_u8(q2->sc[j]);
                    sc = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
                    add_mins(m, bytes, sums[j / 8], j % 8);
                }
                UNROLL for (int k = 0; k < 2; k++)
                {
                    const int16x8_t s = k == 0 ? vmovl_s8(vget_low_s8(sc)) : vmovl_high_s8(sc);
                    const int32x4_t start =
                        q3_k ? repeat_lane_s32(offset[j / 4], j % 4 + k) : vdupq_n_s32(0);
                    int32x4_t dot[2];
                    dot_groups(dot, &qs, xs.val[j % 4 + k], start, mask, q3_k);
                    a[0] = vmlaq_s32(a[0], dot[0], vmovl_s16(vget_low_s16(s)));
                    a[1] = vmlaq_s32(a[1], dot[1], vmovl_high_s16(s));
                }
            }
            add_tile_k(acc, a, m, tile, x->d, !q3_k);
            tile = qs;
        }
        vst1q_f32(out + row, acc[0]);
        vst1q_f32(out + row + 4, acc[1]);
    }
}

void matvec_q2_k_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                         int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, false);
}

void matvec_q3_k_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                         int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, true);
}
