// NEON twin of matvec_q8_0.c.
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// 32 products in four lanes. Two fit an int16 even at -128 * 127: 32512.
ALWAYS_INLINE int32x4_t dot32(const int8_t *w, int8x16_t x0, int8x16_t x1)
{
    const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
    const int16x8_t a =
        vmlal_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(x0)), vget_low_s8(w1), vget_low_s8(x1));
    const int16x8_t b = vmlal_high_s8(vmull_high_s8(w0, x0), w1, x1);
    return vpadalq_s16(vpaddlq_s16(a), b);
}

void matvec_q8_0_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q8_0 *tile = w_tiles;
    const struct act_q8_0 *end = (const struct act_q8_0 *)act + n_cols / QK8_0;
    for (int row = 0; row < n_rows_padded; row += TILE_ROWS) {
        float32x4_t acc = vdupq_n_f32(0);
        for (const struct act_q8_0 *x = act; x != end; x++, tile++) {
            const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
            const int32x4_t a0 = dot32(tile->qs[0], x0, x1), a1 = dot32(tile->qs[1], x0, x1);
            const int32x4_t a2 = dot32(tile->qs[2], x0, x1), a3 = dot32(tile->qs[3], x0, x1);
            const int32x4_t a = vpaddq_s32(vpaddq_s32(a0, a1), vpaddq_s32(a2, a3));
            const float32x4_t d = vmulq_n_f32(load_f16x4(tile->d), x->d);
            acc = vfmaq_f32(acc, vcvtq_f32_s32(a), d);
        }
        vst1q_f32(out + row, acc);
    }
}
