// NEON twin of matvec_q4_k.c.
#include "nn/activation.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tile_q4_k_neon.h"
#include "nn/tiles.h"

// TBL indices that widen four scales, bytes 4i .. 4i + 3, to int16 pairs: s0 s0 s1 s1 s2 s2 s3 s3.
static const uint8_t widen_index[4][16] = {
    {0, 255, 0, 255, 1, 255, 1, 255, 2, 255, 2, 255, 3, 255, 3, 255},
    {4, 255, 4, 255, 5, 255, 5, 255, 6, 255, 6, 255, 7, 255, 7, 255},
    {8, 255, 8, 255, 9, 255, 9, 255, 10, 255, 10, 255, 11, 255, 11, 255},
    {12, 255, 12, 255, 13, 255, 13, 255, 14, 255, 14, 255, 15, 255, 15, 255},
};

// a[0], a[1] += s * dot for four rows: lanes r0 r0 r1 r1 and r2 r2 r3 r3.
ALWAYS_INLINE void add_scaled(int32x4_t a[2], int16x8_t dot, uint8x16_t scales, uint8x16_t index)
{
    const int16x8_t s = vreinterpretq_s16_u8(vqtbl1q_u8(scales, index));
    a[0] = vmlal_s16(a[0], vget_low_s16(dot), vget_low_s16(s));
    a[1] = vmlal_high_s16(a[1], dot, s);
}

// acc of four rows, given their sum a and the activations' sums of the eight sub-blocks.
ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, int32x4_t a, int16x8_t sums,
                                    const uint8_t s6[48], const uint16_t *d, const uint16_t *dmin,
                                    float d_x)
{
    const int32x4_t m = q4_k_dot_sums(q4_k_mins(s6, 0), q4_k_mins(s6, 1), sums);
    float32x4_t f = vmulq_f32(vcvtq_f32_s32(a), load_f16x4(d));
    f = vfmsq_f32(f, vcvtq_f32_s32(m), load_f16x4(dmin));
    return vfmaq_n_f32(acc, f, d_x);
}

void matvec_q4_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q4_k *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    uint8x16_t index[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        index[i] = vld1q_u8(widen_index[i]);
    }
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        float32x4_t acc0 = vdupq_n_f32(0), acc1 = acc0;
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            const uint8_t *qs = (const uint8_t *)tile->qs, (*s6)[48] = tile->s6;
            const int8_t *q = x->q;
            int32x4_t a0[2], a1[2]; // rows 0..3 and 4..7
            a0[0] = a0[1] = a1[0] = a1[1] = vdupq_n_s32(0);
            UNROLL for (int j = 0; j < 8; j++)
            {
                int16x8_t dot[4];
                UNROLL for (int k = 0; k < 8; k += 4)
                {
                    int8x16_t group[4];
                    UNROLL for (int i = 0; i < 4; i++)
                    {
                        group[i] = next_group(&q);
                    }
                    add_nibble_groups(dot, next_u8x4(&qs), low_nibble, group, k == 0);
                }
                const int16x8_t low = vpaddq_s16(dot[0], dot[1]);
                const int16x8_t high = vpaddq_s16(dot[2], dot[3]);
                add_scaled(a0, low, q4_k_scales(s6[0], j / 4), index[j % 4]);
                add_scaled(a1, high, q4_k_scales(s6[1], j / 4), index[j % 4]);
            }
            const int16x8_t sums = vpaddq_s16(vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8));
            // Rows 4..7 were taken 8 too small.
            const int32x4_t lack =
                q4_k_dot_sums(q4_k_scales(s6[1], 0), q4_k_scales(s6[1], 1), sums);
            const int32x4_t low = vpaddq_s32(a0[0], a0[1]);
            const int32x4_t high = vaddq_s32(vpaddq_s32(a1[0], a1[1]), vshlq_n_s32(lack, 3));
            acc0 = add_block(acc0, low, sums, s6[0], tile->d, tile->dmin, x->d);
            acc1 = add_block(acc1, high, sums, s6[1], tile->d + 4, tile->dmin + 4, x->d);
        }
        vst1q_f32(out + row, acc0);
        vst1q_f32(out + row + 4, acc1);
    }
}
