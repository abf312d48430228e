// NEON twin of matvec_k.c for Q2_K and Q3_K: sub-blocks of 16 columns, whose sums fit an int16.
#include "nn/activation.h"
#include "nn/block_k_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/tile_bits_neon.h"

// Four column groups of rows 0..3 and of rows 4..7.
struct groups {
    int8x16_t low[4], high[4];
};

ALWAYS_INLINE struct groups next_groups(const uint8_t **qs, uint8x16_t mask, bool q3_k)
{
    struct groups w;
    if (q3_k) {
        three_bit_groups(w.low, w.high, next_u8x3(qs).val, mask);
    } else {
        const uint8x16x2_t v = next_u8x2(qs);
        two_bit_groups(w.low, v.val[0], mask);
        two_bit_groups(w.high, v.val[1], mask);
    }
    return w;
}

// a[0..3] += scale * dot, of two lanes a row.
ALWAYS_INLINE void add_scaled(int32x4_t a[4], int16x8_t low, int16x8_t high, int8x16_t scales)
{
    const int16x8_t s0 = vmovl_s8(vget_low_s8(scales)), s1 = vmovl_high_s8(scales);
    a[0] = vmlal_s16(a[0], vget_low_s16(low), vget_low_s16(s0));
    a[1] = vmlal_high_s16(a[1], low, s0);
    a[2] = vmlal_s16(a[2], vget_low_s16(high), vget_low_s16(s1));
    a[3] = vmlal_high_s16(a[3], high, s1);
}

// Products of 16 columns, two lanes a row: of Q3_K at most 2 * 4 * 7 * 127.
ALWAYS_INLINE void dot_groups(int16x8_t sum[2], const struct groups *w, const int8_t **q)
{
    int16x8_t dot[4];
    const int8x16x4_t x = next_activations(q);
    UNROLL for (int i = 0; i < 4; i++)
    {
        add_group(dot, w->low[i], x.val[i], i == 0);
        add_group(dot + 2, w->high[i], x.val[i], i == 0);
    }
    sum[0] = vpaddq_s16(dot[0], dot[1]);
    sum[1] = vpaddq_s16(dot[2], dot[3]);
}

// q3_k: else the tiles are of Q2_K.
ALWAYS_INLINE void rows(float *out, const uint8_t *tile, const struct act_q8_k *act, int n_rows,
                        int n_cols, bool q3_k)
{
    const struct act_q8_k *end = act + n_cols / QK_K;
    const size_t ahead = prefetch_ahead;
    const size_t block_bytes = q3_k ? sizeof(struct tile_q3_k) : sizeof(struct tile_q2_k);
    uint8x16_t mask = vdupq_n_u8(q3_k ? 7 : 3);
    FORGET_LANES(mask); // else it is made anew before each use
    for (int row = 0; row < n_rows; row += QUANT_TILE_ROWS) {
        float32x4_t acc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (const struct act_q8_k *x = act; x != end; x++) {
            prefetch_block(tile, ahead, block_bytes);
            const struct tile_q2_k *q2 = (const struct tile_q2_k *)tile;
            const struct tile_q3_k *q3 = (const struct tile_q3_k *)tile;
            const uint8_t *qs = q3_k ? q3->qs[0][0][0] : q2->qs[0][0][0];
            const int8_t *q = x->q;
            const int16x8_t sums[2] = {vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8)};
            int32x4_t a[4], m[2];
            a[0] = a[1] = a[2] = a[3] = m[0] = m[1] = vdupq_n_s32(0);
            int8x16_t s3[4];
            UNROLL for (int j = 0; j < 16; j += 2)
            {
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
                    const struct groups w = next_groups(&qs, mask, q3_k);
                    int16x8_t dot[2];
                    dot_groups(dot, &w, &q);
                    if (q3_k) { // less 4 * sum, in two lanes
                        const int16x8_t offset = vdupq_n_s16((int16_t)(2 * x->bsum[j + k]));
                        dot[0] = vsubq_s16(dot[0], offset);
                        dot[1] = vsubq_s16(dot[1], offset);
                    }
                    add_scaled(a, dot[0], dot[1], k == 0 ? vzip1q_s8(sc, sc) : vzip2q_s8(sc, sc));
                }
            }
            const int32x4_t sum[2] = {vpaddq_s32(a[0], a[1]), vpaddq_s32(a[2], a[3])};
            add_tile_k(acc, sum, m, tile, x->d, !q3_k);
            tile = qs;
        }
        vst1q_f32(out + row, acc[0]);
        vst1q_f32(out + row + 4, acc[1]);
    }
}

void matvec_q2_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, false);
}

void matvec_q3_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, true);
}
