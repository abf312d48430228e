// NEON twin of matvec_32.c for Q5_0 and Q5_1. Sixteen products of 16 * 127 fit an int16: 32512.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/tile_bits_neon.h"

// One tile at a time: the masks take the registers of a second one.
ALWAYS_INLINE void rows(float *out, const uint8_t *tile, const struct act_q8_0 *x, int n_rows,
                        int n_blocks, bool has_min)
{
    const struct five_bits masks = five_bits_init();
    const size_t ahead = prefetch_ahead;
    const size_t block_bytes = has_min ? sizeof(struct tile_q5_1) : sizeof(struct tile_q5_0);
    for (const struct act_q8_0 *end = x + n_blocks; n_rows > 0; n_rows -= QUANT_TILE_ROWS) {
        float32x4_t acc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (const struct act_q8_0 *block = x; block != end; block++) {
            prefetch_block(tile, ahead, block_bytes);
            const uint8_t *qs = tile + (has_min ? 32 : 16);
            const int8_t *q = block->q;
            const uint8x16x2_t qh = next_u8x2(&qs);
            int16x8_t dot[4];
            UNROLL for (int k = 0; k < 8; k += 4)
            {
                const int8x16x4_t groups = next_activations(&q);
                const uint8x16x4_t v = next_u8x4(&qs);
                UNROLL for (int i = 0; i < 4; i++)
                {
                    int8x16_t w[2];
                    five_bit_group(w, v.val[i], qh.val, k + i, &masks);
                    add_group(dot, w[0], groups.val[i], k + i == 0);
                    add_group(dot + 2, w[1], groups.val[i], k + i == 0);
                }
            }
            int32x4_t a[2] = {vpaddlq_s16(vpaddq_s16(dot[0], dot[1])),
                              vpaddlq_s16(vpaddq_s16(dot[2], dot[3]))};
            if (has_min) { // they count from 0
                const int32x4_t offset = vdupq_n_s32(16 * block->sum);
                a[0] = vaddq_s32(a[0], offset);
                a[1] = vaddq_s32(a[1], offset);
            }
            add_tile_32(acc, a, tile, block, has_min);
            tile = qs;
        }
        vst1q_f32(out, acc[0]);
        vst1q_f32(out + 4, acc[1]);
        out += QUANT_TILE_ROWS;
    }
}

void matvec_q5_0_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols / QK8_0, false);
}

void matvec_q5_1_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols / QK8_0, true);
}
