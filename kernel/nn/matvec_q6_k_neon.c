// NEON twin of matvec_q6_k.c. The weights' offset of 32 comes off the sum:
// sum_j sc_j * sum (q_w - 32) * q_x = sum_j sc_j * sum q_w * q_x - 32 * sum_j sc_j * sum q_x.
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// 16 products, two to a lane: at most 2 * 63 * 127 = 16002, so that two rows' pairs add in int16.
ALWAYS_INLINE int16x8_t dot16(uint8x16_t w, int8x16_t x)
{
    const int8x16_t w0 = vreinterpretq_s8_u8(w);
    return vmlal_high_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(x)), w0, x);
}

// sum q_w * q_x of 16 columns, for the four rows.
ALWAYS_INLINE int32x4_t dot_sub_block(const uint8_t qs[3][16], int8x16_t x)
{
    const uint8x16_t v0 = vld1q_u8(qs[0]), v1 = vld1q_u8(qs[1]), v2 = vld1q_u8(qs[2]);
    const uint8x16_t six_bits = vdupq_n_u8(63);
    uint8x16_t top = vshrq_n_u8(v2, 2); // row 3: bits 5:4 of v2's top, then 3:2 of v1, 1:0 of v0
    top = vsriq_n_u8(top, v1, 4);
    top = vsriq_n_u8(top, v0, 6);
    const int16x8_t r01 =
        vpaddq_s16(dot16(vandq_u8(v0, six_bits), x), dot16(vandq_u8(v1, six_bits), x));
    const int16x8_t r23 = vpaddq_s16(dot16(vandq_u8(v2, six_bits), x), dot16(top, x));
    return vpaddq_s32(vpaddlq_s16(r01), vpaddlq_s16(r23));
}

ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, const struct tile_q6_k *tile,
                                    const struct act_q8_k *x)
{
    int32x4_t a = vdupq_n_s32(0), m = a;
    UNROLL for (int g = 0; g < 4; g++) // sub-blocks 4g .. 4g + 3
    {
        const int8x16_t scales = vld1q_s8(tile->sc[4 * g]);
        const int16x8_t s01 = vmovl_s8(vget_low_s8(scales)), s23 = vmovl_high_s8(scales);
        const int16x4_t sums = vld1_s16(x->bsum + 4 * g);
        m = vmlal_lane_s16(m, vget_low_s16(s01), sums, 0);
        m = vmlal_lane_s16(m, vget_high_s16(s01), sums, 1);
        m = vmlal_lane_s16(m, vget_low_s16(s23), sums, 2);
        m = vmlal_lane_s16(m, vget_high_s16(s23), sums, 3);
        const int32x4_t s[4] = {vmovl_s16(vget_low_s16(s01)), vmovl_high_s16(s01),
                                vmovl_s16(vget_low_s16(s23)), vmovl_high_s16(s23)};
        UNROLL for (int i = 0; i < 4; i++)
        {
            const int j = 4 * g + i;
            a = vmlaq_s32(a, dot_sub_block(tile->qs[j], vld1q_s8(x->q + 16 * j)), s[i]);
        }
    }
    a = vsubq_s32(a, vshlq_n_s32(m, 5));
    return vfmaq_n_f32(acc, vmulq_f32(vcvtq_f32_s32(a), load_f16x4(tile->d)), x->d);
}

void matvec_q6_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q6_k *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    for (int row = 0; row < n_rows_padded; row += TILE_ROWS) {
        float32x4_t acc = vdupq_n_f32(0);
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            acc = add_block(acc, tile, x);
        }
        vst1q_f32(out + row, acc);
    }
}
