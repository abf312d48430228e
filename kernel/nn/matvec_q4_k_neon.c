// NEON twin of matvec_q4_k.c. Two tiles at once share the loads of the activations.
#include "nn/activation.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"
#include "nn/tile_q4_k_neon.h"
#include "nn/tiles.h"

#define MAX_TILES 2

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

// acc of four rows, given a and the block's 32 sums of activations.
ALWAYS_INLINE float32x4_t add_block(float32x4_t acc, const int32x4_t a[2], int16x8_t sums,
                                    const uint8_t s6[48], const uint16_t *d, const uint16_t *dmin,
                                    float d_x)
{
    const int32x4_t m = q4_k_dot_mins(s6, sums);
    float32x4_t f = vmulq_f32(vcvtq_f32_s32(vpaddq_s32(a[0], a[1])), load_f16x4(d));
    f = vfmsq_f32(f, vcvtq_f32_s32(m), load_f16x4(dmin));
    return vfmaq_n_f32(acc, f, d_x);
}

ALWAYS_INLINE void tiles(float *out, const struct tile_q4_k *w, const struct act_q8_k *x,
                         int n_blocks, int n_tiles)
{
    float32x4_t acc[MAX_TILES][2];
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        acc[i][0] = acc[i][1] = vdupq_n_f32(0);
    }
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        const int8_t *q = x->q;
        const int16x8_t sums = vpaddq_s16(vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8));
        const int16x8_t quads = vshlq_n_s16(sums, 2);
        int32x4_t a[MAX_TILES][4];
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            a[i][0] = a[i][1] = a[i][2] = a[i][3] = vdupq_n_s32(0);
        }
        UNROLL for (int j = 0; j < 8; j++)
        {
            int16x8_t dot[MAX_TILES][4];
            UNROLL for (int k = 0; k < 8; k++)
            {
                const int8x16_t group = next_group(&q);
                UNROLL for (int i = 0; i < n_tiles; i++)
                {
                    add_nibble_group(dot[i], w[i * n_blocks].qs[j][k], low_nibble, group, k == 0);
                }
            }
            const uint8x16_t index = vld1q_u8(widen_index[j % 4]);
            // Half of the 8 * sum that the upper rows' offset lacks, for each of two lanes.
            const int16x8_t offset = repeat_lane(quads, j);
            UNROLL for (int i = 0; i < n_tiles; i++)
            {
                const struct tile_q4_k *tile = w + i * n_blocks;
                const int16x8_t low = vpaddq_s16(dot[i][0], dot[i][1]);
                const int16x8_t high = vaddq_s16(vpaddq_s16(dot[i][2], dot[i][3]), offset);
                add_scaled(a[i], low, q4_k_scales(tile->s6[0], j / 4), index);
                add_scaled(a[i] + 2, high, q4_k_scales(tile->s6[1], j / 4), index);
            }
        }
        UNROLL for (int i = 0; i < n_tiles; i++)
        {
            const struct tile_q4_k *tile = w + i * n_blocks;
            acc[i][0] = add_block(acc[i][0], a[i], sums, tile->s6[0], tile->d, tile->dmin, x->d);
            acc[i][1] = add_block(acc[i][1], a[i] + 2, sums, tile->s6[1], tile->d + 4,
                                  tile->dmin + 4, x->d);
        }
    }
    UNROLL for (int i = 0; i < n_tiles; i++)
    {
        vst1q_f32(out + QUANT_TILE_ROWS * i, acc[i][0]);
        vst1q_f32(out + QUANT_TILE_ROWS * i + 4, acc[i][1]);
    }
}

void matvec_q4_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    const struct tile_q4_k *w = w_tiles;
    const int n_blocks = n_cols / QK_K;
    int row = 0;
    for (; row + 16 <= n_rows_padded; row += 16, w += 2 * n_blocks) {
        tiles(out + row, w, act, n_blocks, 2);
    }
    if (row < n_rows_padded) {
        tiles(out + row, w, act, n_blocks, 1);
    }
}
