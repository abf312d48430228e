// Dotprod twin of matvec_k.c: a lane is a row, an SDOT is four columns of four rows. Each sum of
// products starts from the -32 * sum x that the weights' offset makes.
#include "nn/activation.h"
#include "nn/dotprod_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tile_q6_k_neon.h"
#include "nn/tiles.h"

// 16 columns of four rows times x.
ALWAYS_INLINE int32x4_t add_sub_block(int32x4_t dot, const uint8x16_t v[3], uint8x16_t six_bits,
                                      int8x16_t x)
{
    int8x16_t w[4];
    q6_k_groups(w, v, six_bits);
    dot = vdotq_laneq_s32(dot, w[0], x, 0);
    dot = vdotq_laneq_s32(dot, w[1], x, 1);
    dot = vdotq_laneq_s32(dot, w[2], x, 2);
    return vdotq_laneq_s32(dot, w[3], x, 3);
}

void matvec_q6_k_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                         int n_cols)
{
    const struct tile_q6_k *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    uint8x16_t six_bits = vdupq_n_u8(63);
    FORGET_LANES(six_bits); // else it is made anew before each use
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        float32x4_t acc0 = vdupq_n_f32(0), acc1 = acc0;
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            const uint8_t *qs = (const uint8_t *)tile->qs;
            const int8_t *q = x->q;
            int32x4_t offset[4]; // of four sub-blocks each
            UNROLL for (int i = 0; i < 4; i++)
            {
                offset[i] = vmull_n_s16(vld1_s16(x->bsum + 4 * i), -32);
            }
            int32x4_t a0 = vdupq_n_s32(0), a1 = a0;
            int8x16x4_t xs; // of four sub-blocks
            UNROLL for (int j = 0; j < 16; j += 2)
            {
                if (j % 4 == 0) {
                    xs = next_s8x4(&q);
                }
                int8x16_t sc = vld1q_s8(tile->sc[j]);
                FORGET_LANES(sc); // else it is loaded by halves
                UNROLL for (int k = 0; k < 2; k++)
                {
                    const uint8x16x3_t v0 = next_u8x3(&qs), v1 = next_u8x3(&qs);
                    const int16x8_t s = k == 0 ? vmovl_s8(vget_low_s8(sc)) : vmovl_high_s8(sc);
                    const int8x16_t xj = xs.val[j % 4 + k];
                    const int32x4_t start = repeat_lane_s32(offset[j / 4], j % 4 + k);
                    const int32x4_t dot0 = add_sub_block(start, v0.val, six_bits, xj);
                    const int32x4_t dot1 = add_sub_block(start, v1.val, six_bits, xj);
                    a0 = vmlaq_s32(a0, dot0, vmovl_s16(vget_low_s16(s)));
                    a1 = vmlaq_s32(a1, dot1, vmovl_high_s16(s));
                }
            }
            const float32x4x2_t d = widen_f16(vld1q_u16(tile->d));
            acc0 = vfmaq_n_f32(acc0, vmulq_f32(vcvtq_f32_s32(a0), d.val[0]), x->d);
            acc1 = vfmaq_n_f32(acc1, vmulq_f32(vcvtq_f32_s32(a1), d.val[1]), x->d);
        }
        vst1q_f32(out + row, acc0);
        vst1q_f32(out + row + 4, acc1);
    }
}
