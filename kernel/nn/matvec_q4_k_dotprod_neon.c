// Dotprod twin of matvec_k.c for Q4_K and Q5_K: a lane is a row, an SDOT is four columns of four
// rows.
//
// A byte of Q4_K is b = l + 16 h, with l the lower row's quant and h the upper row's less 8, as
// signed bytes. So sum h x comes from the bytes shifted down, and sum l x = sum b x - 16 sum h x
// needs no mask.
#include "nn/activation.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tile_bits_neon.h"
#include "nn/tile_q4_k_neon.h"
#include "nn/tiles.h"

// TBL indices that widen four scales, bytes 4i .. 4i + 3, to int32.
static const uint8_t widen_index[4][16] = {
    {0, 255, 255, 255, 1, 255, 255, 255, 2, 255, 255, 255, 3, 255, 255, 255},
    {4, 255, 255, 255, 5, 255, 255, 255, 6, 255, 255, 255, 7, 255, 255, 255},
    {8, 255, 255, 255, 9, 255, 255, 255, 10, 255, 255, 255, 11, 255, 255, 255},
    {12, 255, 255, 255, 13, 255, 255, 255, 14, 255, 255, 255, 15, 255, 255, 255},
};

// a += scale * dot for four rows.
ALWAYS_INLINE int32x4_t add_scaled(int32x4_t a, int32x4_t dot, uint8x16_t scales, uint8x16_t index)
{
    return vmlaq_s32(a, dot, vreinterpretq_s32_u8(vqtbl1q_u8(scales, index)));
}

// acc of four rows, given a and the block's 32 sums of activations.
ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, int32x4_t a, int16x8_t sums,
                                    const uint8_t s6[48], float32x4_t d, float32x4_t dmin,
                                    float d_x)
{
    const int32x4_t m = q4_k_dot_sums(q4_k_mins(s6, 0), q4_k_mins(s6, 1), sums);
    float32x4_t f = vmulq_f32(vcvtq_f32_s32(a), d);
    f = vfmsq_f32(f, vcvtq_f32_s32(m), dmin);
    return vfmaq_n_f32(acc, f, d_x);
}

// Products of a sub-block of Q4_K, low of rows 0..3: offset is the upper rows' 8 * sum, to start
// from.
ALWAYS_INLINE void dot_nibbles(int32x4_t *low, int32x4_t *high, const uint8_t **qs,
                               const int8x16_t x[2], int32x4_t offset, int32x4_t sixteen)
{
    int32x4_t both = vshlq_n_s32(offset, 4);
    *high = offset;
    UNROLL for (int k = 0; k < 2; k++)
    {
        const int8x16x4_t b = next_s8x4((const int8_t **)qs);
        UNROLL for (int i = 0; i < 4; i++)
        {
            both = dot_group(both, b.val[i], x[k], i);
            *high = dot_group(*high, vshrq_n_s8(b.val[i], 4), x[k], i);
        }
    }
    *low = vmlsq_s32(both, *high, sixteen);
}

// Of Q5_K: offset is 16 * sum.
ALWAYS_INLINE void dot_five_bits(int32x4_t *low, int32x4_t *high, const uint8_t **qs,
                                 const uint8_t **qh, const int8x16_t x[2], int32x4_t offset,
                                 const struct five_bits *masks)
{
    const uint8x16x2_t top = next_u8x2(qh);
    *low = *high = offset;
    UNROLL for (int k = 0; k < 2; k++)
    {
        const uint8x16x4_t v = next_u8x4(qs);
        UNROLL for (int i = 0; i < 4; i++)
        {
            int8x16_t w[2];
            five_bit_group(w, v.val[i], top.val, 4 * k + i, masks);
            *low = dot_group(*low, w[0], x[k], i);
            *high = dot_group(*high, w[1], x[k], i);
        }
    }
}

// has_qh: the tiles are of Q5_K.
ALWAYS_INLINE void rows(float *out, const uint8_t *tile, const struct act_q8_k *act, int n_rows,
                        int n_cols, bool has_qh)
{
    const struct act_q8_k *end = act + n_cols / QK_K;
    const struct five_bits masks = five_bits_init();
    uint8x16_t index[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        index[i] = vld1q_u8(widen_index[i]);
    }
    int32x4_t sixteen = vdupq_n_s32(16);
    FORGET_LANES(sixteen); // else MLS becomes SHL and SUB
    for (int row = 0; row < n_rows; row += QUANT_TILE_ROWS) {
        float32x4_t acc0 = vdupq_n_f32(0), acc1 = acc0;
        for (const struct act_q8_k *x = act; x != end; x++) {
            const struct tile_q4_k *block = (const struct tile_q4_k *)tile; // but for qs
            const uint8_t *qh = tile + 128, *qs = qh + (has_qh ? 256 : 0);
            const int8_t *q = x->q;
            const int16x8_t sums = vpaddq_s16(vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8));
            const int16x4_t sums0 = vget_low_s16(sums), sums1 = vget_high_s16(sums);
            const int32x4_t offset[2] = {
                has_qh ? vshll_n_s16(sums0, 4) : vshll_n_s16(sums0, 3),
                has_qh ? vshll_n_s16(sums1, 4) : vshll_n_s16(sums1, 3),
            };
            int32x4_t a0 = vdupq_n_s32(0), a1 = a0;
            int8x16x4_t xs; // of two sub-blocks
            UNROLL for (int j = 0; j < 8; j++)
            {
                if (j % 2 == 0) {
                    xs = next_s8x4(&q);
                }
                const int32x4_t start = repeat_lane_s32(offset[j / 4], j % 4);
                int32x4_t low, high;
                if (has_qh) {
                    dot_five_bits(&low, &high, &qs, &qh, xs.val + j % 2 * 2, start, &masks);
                } else {
                    dot_nibbles(&low, &high, &qs, xs.val + j % 2 * 2, start, sixteen);
                }
                a0 = add_scaled(a0, low, q4_k_scales(block->s6[0], j / 4), index[j % 4]);
                a1 = add_scaled(a1, high, q4_k_scales(block->s6[1], j / 4), index[j % 4]);
            }
            const float32x4x2_t d = widen_f16(vld1q_u16(block->d));
            const float32x4x2_t dmin = widen_f16(vld1q_u16(block->dmin));
            acc0 = add_block(acc0, a0, sums, block->s6[0], d.val[0], dmin.val[0], x->d);
            acc1 = add_block(acc1, a1, sums, block->s6[1], d.val[1], dmin.val[1], x->d);
            tile = qs;
        }
        vst1q_f32(out + row, acc0);
        vst1q_f32(out + row + 4, acc1);
    }
}

void matvec_q4_k_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                         int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, false);
}

void matvec_q5_k_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                         int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, true);
}
