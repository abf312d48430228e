// NEON twin of matvec_k.c. The weights' offset of 32 comes off the sum:
// sum_j sc_j * sum (q_w - 32) * q_x = sum_j sc_j * sum q_w * q_x - 32 * sum_j sc_j * sum q_x.
#include "nn/activation.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/simd_neon.h"
#include "nn/tile_q6_k_neon.h"
#include "nn/tiles.h"

// a[r] += s[r] * 16 columns of row r times x, for four rows. Four products to a lane: at most
// 4 * 63 * 127 = 32004, which no second lane may join in int16.
ALWAYS_INLINE void add_sub_block(int32x4_t a[4], const uint8x16_t v[3], uint8x16_t six_bits,
                                 const int8x16_t x[4], int16x4_t s)
{
    int8x16_t w[4];
    int16x8_t dot[2];
    q6_k_groups(w, v, six_bits);
    add_group(dot, w[0], x[0], true);
    add_group(dot, w[1], x[1], false);
    add_group(dot, w[2], x[2], false);
    add_group(dot, w[3], x[3], false);
    a[0] = vmlal_lane_s16(a[0], vget_low_s16(dot[0]), s, 0);
    a[1] = vmlal_high_lane_s16(a[1], dot[0], s, 1);
    a[2] = vmlal_lane_s16(a[2], vget_low_s16(dot[1]), s, 2);
    a[3] = vmlal_high_lane_s16(a[3], dot[1], s, 3);
}

// acc of four rows, given a (four lanes per row) and the 32nd part of the offset.
ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, const int32x4_t a[4], int32x4_t m,
                                    float32x4_t d, float d_x)
{
    const int32x4_t sum = vpaddq_s32(vpaddq_s32(a[0], a[1]), vpaddq_s32(a[2], a[3]));
    const int32x4_t difference = vmlsq_s32(sum, m, vdupq_n_s32(32));
    return vfmaq_n_f32(acc, vmulq_f32(vcvtq_f32_s32(difference), d), d_x);
}

void matvec_q6_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q6_k *tile = w_tiles;
    const struct act_q8_k *end = (const struct act_q8_k *)act + n_cols / QK_K;
    const size_t ahead = prefetch_ahead;
    uint8x16_t six_bits = vdupq_n_u8(63);
    FORGET_LANES(six_bits); // else it is made anew before each use
    for (int row = 0; row < n_rows_padded; row += QUANT_TILE_ROWS) {
        float32x4_t acc0 = vdupq_n_f32(0), acc1 = acc0;
        for (const struct act_q8_k *x = act; x != end; x++, tile++) {
            prefetch_block(tile, ahead, sizeof *tile);
            const int8_t *q = x->q;
            const uint8_t *qs = (const uint8_t *)tile->qs;
            const int16x8_t sums[2] = {vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8)};
            int32x4_t a[8], m[2];
            UNROLL for (int r = 0; r < 8; r++)
            {
                a[r] = vdupq_n_s32(0);
            }
            m[0] = m[1] = vdupq_n_s32(0);
            int8x16_t sc = vdupq_n_s8(0); // of two sub-blocks
            UNROLL for (int j = 0; j < 16; j++)
            {
                if (j % 2 == 0) {
                    sc = vld1q_s8(tile->sc[j]);
                    FORGET_LANES(sc); // else it is loaded by halves
                }
                const int16x8_t s = j % 2 ? vmovl_high_s8(sc) : vmovl_s8(vget_low_s8(sc));
                const int8x16x4_t group = next_activations(&q);
                const uint8x16x3_t v0 = next_u8x3(&qs), v1 = next_u8x3(&qs);
                add_sub_block(a, v0.val, six_bits, group.val, vget_low_s16(s));
                add_sub_block(a + 4, v1.val, six_bits, group.val, vget_high_s16(s));
                m[0] = vmlal_n_s16(m[0], vget_low_s16(s), sums[j / 8][j % 8]);
                m[1] = vmlal_high_n_s16(m[1], s, sums[j / 8][j % 8]);
            }
            const float32x4x2_t d = widen_f16(vld1q_u16(tile->d));
            acc0 = add_block(acc0, a, m[0], d.val[0], x->d);
            acc1 = add_block(acc1, a + 4, m[1], d.val[1], x->d);
        }
        vst1q_f32(out + row, acc0);
        vst1q_f32(out + row + 4, acc1);
    }
}
