// NEON twin of matvec_k.c for Q4_K and Q5_K.
#include "nn/activation.h"
#include "nn/column_groups_neon.h"
#include "nn/kernels.h"
#include "nn/prefetch.h"
#include "nn/simd_neon.h"
#include "nn/tile_bits_neon.h"
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

// One sub-block of Q5_K, less 16: dot as of add_nibble_groups().
ALWAYS_INLINE void add_five_bits(int16x8_t dot[4], const uint8_t **qs, const uint8_t **qh,
                                 const int8_t **q, const struct five_bits *masks)
{
    const uint8x16x2_t high = next_u8x2(qh);
    UNROLL for (int k = 0; k < 8; k += 4)
    {
        const int8x16x4_t x = next_activations(q);
        const uint8x16x4_t v = next_u8x4(qs);
        UNROLL for (int i = 0; i < 4; i++)
        {
            int8x16_t w[2];
            five_bit_group(w, v.val[i], high.val, k + i, masks);
            add_group(dot, w[0], x.val[i], k + i == 0);
            add_group(dot + 2, w[1], x.val[i], k + i == 0);
        }
    }
}

// What four rows lack when their quants are taken `1 << shift` too small.
ALWAYS_INLINE int32x4_t lack(const uint8_t s6[48], int16x8_t sums, int shift)
{
    const int32x4_t sum = q4_k_dot_sums(q4_k_scales(s6, 0), q4_k_scales(s6, 1), sums);
    return vshlq_s32(sum, vdupq_n_s32(shift));
}

// has_qh: the tiles are of Q5_K.
ALWAYS_INLINE void rows(float *out, const uint8_t *tile, const struct act_q8_k *act, int n_rows,
                        int n_cols, bool has_qh)
{
    const struct act_q8_k *end = act + n_cols / QK_K;
    const size_t ahead = prefetch_ahead;
    const size_t block_bytes = has_qh ? sizeof(struct tile_q5_k) : sizeof(struct tile_q4_k);
    uint8x16_t low_nibble = vdupq_n_u8(15);
    FORGET_LANES(low_nibble); // else it is made anew before each use
    const struct five_bits masks = five_bits_init();
    uint8x16_t index[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        index[i] = vld1q_u8(widen_index[i]);
    }
    for (int row = 0; row < n_rows; row += QUANT_TILE_ROWS) {
        vst1q_f32(out, vdupq_n_f32(0)); // the sums stay there: no register is left for them
        vst1q_f32(out + 4, vdupq_n_f32(0));
        for (const struct act_q8_k *x = act; x != end; x++) {
            prefetch_block(tile, ahead, block_bytes);
            const struct tile_q4_k *block = (const struct tile_q4_k *)tile; // but for qs
            const uint8_t(*s6)[48] = block->s6, *qh = tile + 128, *qs = qh + (has_qh ? 256 : 0);
            const int8_t *q = x->q;
            int32x4_t a0[2], a1[2]; // rows 0..3 and 4..7
            a0[0] = a0[1] = a1[0] = a1[1] = vdupq_n_s32(0);
            UNROLL for (int j = 0; j < 8; j++)
            {
                int16x8_t dot[4];
                if (has_qh) {
                    add_five_bits(dot, &qs, &qh, &q, &masks);
                } else {
                    dot_nibbles(dot, &qs, &q, low_nibble);
                }
                const int16x8_t low = vpaddq_s16(dot[0], dot[1]);
                const int16x8_t high = vpaddq_s16(dot[2], dot[3]);
                add_scaled(a0, low, q4_k_scales(s6[0], j / 4), index[j % 4]);
                add_scaled(a1, high, q4_k_scales(s6[1], j / 4), index[j % 4]);
            }
            FORGET_ORIGIN(s6); // else what was loaded for the scales is kept on the stack
            const int16x8_t sums = vpaddq_s16(vld1q_s16(x->bsum), vld1q_s16(x->bsum + 8));
            int32x4_t low = vpaddq_s32(a0[0], a0[1]), high = vpaddq_s32(a1[0], a1[1]);
            if (has_qh) {
                low = vaddq_s32(low, lack(s6[0], sums, 4));
            }
            high = vaddq_s32(high, lack(s6[1], sums, has_qh ? 4 : 3));
            const float32x4_t acc0 = vld1q_f32(out), acc1 = vld1q_f32(out + 4);
            const float32x4_t sum0 = add_block(acc0, low, sums, s6[0], block->d, block->dmin, x->d);
            const float32x4_t sum1 =
                add_block(acc1, high, sums, s6[1], block->d + 4, block->dmin + 4, x->d);
            vst1q_f32(out, sum0);
            vst1q_f32(out + 4, sum1);
            tile = qs;
        }
        out += QUANT_TILE_ROWS;
    }
}

void matvec_q4_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, false);
}

void matvec_q5_k_neon(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                      int n_cols)
{
    rows(out, w_tiles, act, n_rows_padded, n_cols, true);
}
