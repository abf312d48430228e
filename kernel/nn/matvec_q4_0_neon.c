// NEON twin of matvec_q4_0.c. The weights' offset of 8 comes off the sum:
// sum (q_w - 8) * q_x = sum q_w * q_x - 8 * sum q_x.
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/nibbles_neon.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

void matvec_q4_0_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q4_0 *tile = w_tiles;
    const struct act_q8_0 *end = (const struct act_q8_0 *)act + n_cols / QK8_0;
    for (int row = 0; row < n_rows_padded; row += TILE_ROWS) {
        float32x4_t acc = vdupq_n_f32(0);
        for (const struct act_q8_0 *x = act; x != end; x++, tile++) {
            const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
            int16x8_t dot[4];
            UNROLL for (int r = 0; r < 4; r++)
            {
                const uint8x16_t q = vld1q_u8(tile->qs[r]);
                dot[r] = nibble_dot32(low_nibbles(q), high_nibbles(q), x0, x1);
            }
            int32x4_t a = vpaddlq_s16(add_pairs_of_rows(dot));
            a = vsubq_s32(a, vdupq_n_s32(8 * x->sum));
            const float32x4_t d = vmulq_n_f32(load_f16x4(tile->d), x->d);
            acc = vfmaq_f32(acc, vcvtq_f32_s32(a), d);
        }
        vst1q_f32(out + row, acc);
    }
}
