// NEON twin of matvec_q4_k.c.
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/nibbles_neon.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// TBL indices that widen four scales, bytes 4i .. 4i + 3, to int16 pairs: s0 s0 s1 s1 s2 s2 s3 s3.
static const uint8_t widen_index[4][16] = {
    {0, 255, 0, 255, 1, 255, 1, 255, 2, 255, 2, 255, 3, 255, 3, 255},
    {4, 255, 4, 255, 5, 255, 5, 255, 6, 255, 6, 255, 7, 255, 7, 255},
    {8, 255, 8, 255, 9, 255, 9, 255, 10, 255, 10, 255, 11, 255, 11, 255},
    {12, 255, 12, 255, 13, 255, 13, 255, 14, 255, 14, 255, 15, 255, 15, 255},
};

// sc[0], mn[0]: sub-blocks 0..3 of the four rows; sc[1], mn[1]: 4..7.
ALWAYS_INLINE void unpack_scales(const uint8_t *s6, uint8x16_t sc[2], uint8x16_t mn[2])
{
    const uint8x16_t v0 = vld1q_u8(s6), v1 = vld1q_u8(s6 + 16), v2 = vld1q_u8(s6 + 32);
    const uint8x16_t six_bits = vdupq_n_u8(63);
    sc[0] = vandq_u8(v0, six_bits);
    sc[1] = vandq_u8(v1, six_bits);
    mn[0] = vandq_u8(v2, six_bits);
    uint8x16_t top = vshrq_n_u8(v2, 2); // each byte keeps bits 5:4 at its top, then 3:2, then 1:0
    top = vsriq_n_u8(top, v1, 4);
    top = vsriq_n_u8(top, v0, 6);
    mn[1] = vandq_u8(top, six_bits);
}

// sum_j mn_j * sum of the 32 activations of sub-block j, for the four rows.
ALWAYS_INLINE int32x4_t dot_mins(const uint8x16_t mn[2], const int16_t *bsum)
{
    const int16x8_t sums = vpaddq_s16(vld1q_s16(bsum), vld1q_s16(bsum + 8));
    int32x4_t m = vdupq_n_s32(0);
    const int16x8_t m01 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(mn[0])));
    m = vmlal_laneq_s16(m, vget_low_s16(m01), sums, 0);
    m = vmlal_high_laneq_s16(m, m01, sums, 1);
    const int16x8_t m23 = vreinterpretq_s16_u16(vmovl_high_u8(mn[0]));
    m = vmlal_laneq_s16(m, vget_low_s16(m23), sums, 2);
    m = vmlal_high_laneq_s16(m, m23, sums, 3);
    const int16x8_t m45 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(mn[1])));
    m = vmlal_laneq_s16(m, vget_low_s16(m45), sums, 4);
    m = vmlal_high_laneq_s16(m, m45, sums, 5);
    const int16x8_t m67 = vreinterpretq_s16_u16(vmovl_high_u8(mn[1]));
    m = vmlal_laneq_s16(m, vget_low_s16(m67), sums, 6);
    return vmlal_high_laneq_s16(m, m67, sums, 7);
}

ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, const struct tile_q4_k *tile,
                                    const struct act_q8_k *x, const uint8x16_t index[4])
{
    uint8x16_t sc[2], mn[2];
    unpack_scales(tile->s6, sc, mn);

    int32x4_t a0 = vdupq_n_s32(0), a1 = a0; // rows 0 0 1 1 and 2 2 3 3
    UNROLL for (int g = 0; g < 4; g++)      // 64 columns: sub-blocks 2g (low nibbles) and 2g + 1
    {
        const int8_t *q = x->q + 64 * g;
        const int8x16_t x0 = vld1q_s8(q), x1 = vld1q_s8(q + 16);
        const int8x16_t x2 = vld1q_s8(q + 32), x3 = vld1q_s8(q + 48);
        int16x8_t low[4], high[4];
        UNROLL for (int r = 0; r < 4; r++)
        {
            const uint8x16_t q0 = vld1q_u8(tile->qs[g][r]), q1 = vld1q_u8(tile->qs[g][r] + 16);
            low[r] = nibble_dot32(low_nibbles(q0), low_nibbles(q1), x0, x1);
            high[r] = nibble_dot32(high_nibbles(q0), high_nibbles(q1), x2, x3);
        }
        const int16x8_t l = add_pairs_of_rows(low), h = add_pairs_of_rows(high);
        const int16x8_t sl = vreinterpretq_s16_u8(vqtbl1q_u8(sc[g / 2], index[2 * g % 4]));
        const int16x8_t sh = vreinterpretq_s16_u8(vqtbl1q_u8(sc[g / 2], index[2 * g % 4 + 1]));
        a0 = vmlal_s16(a0, vget_low_s16(l), vget_low_s16(sl));
        a1 = vmlal_high_s16(a1, l, sl);
        a0 = vmlal_s16(a0, vget_low_s16(h), vget_low_s16(sh));
        a1 = vmlal_high_s16(a1, h, sh);
    }
    const int32x4_t a = vpaddq_s32(a0, a1), m = dot_mins(mn, x->bsum);
    float32x4_t f = vmulq_f32(vcvtq_f32_s32(a), load_f16x4(tile->d));
    f = vfmsq_f32(f, vcvtq_f32_s32(m), load_f16x4(tile->dmin));
    return vfmaq_n_f32(acc, f, x->d);
}

void matvec_q4_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q4_k *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    uint8x16_t index[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        index[i] = vld1q_u8(widen_index[i]);
    }
    for (int row = 0; row < n_rows_padded; row += TILE_ROWS) {
        float32x4_t acc = vdupq_n_f32(0);
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            acc = add_block(acc, tile, x, index);
        }
        vst1q_f32(out + row, acc);
    }
}
