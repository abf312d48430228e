// GEMM of Q8_0 and Q4_0 with SMLAL: int16 sums, reduced over the lanes for four rows at once.
#include "nn/activation.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define BLOCKS 8 // of 32 columns in a panel

struct panel_block {
    int8_t w[2][2][4][16]; // [half of the rows][16 columns][row][column]
    float d[8];
};

struct panel {
    struct panel_block block[BLOCKS];
};

ALWAYS_INLINE void unpack_q8_0(void *panel, const void *w, int n_cols)
{
    struct panel_block *p = panel;
    const struct tile_q8_0 *tile = w;
    for (int b = 0; b < n_cols / QK8_0; b++, p++, tile++) {
        UNROLL for (int i = 0; i < 4; i++) // 16 columns of half the rows
        {
            int8x16_t v[4];
            UNROLL for (int group = 0; group < 4; group++)
            {
                v[group] = vld1q_s8(tile->qs[4 * (i / 2) + group][4 * (i % 2)]);
            }
            transpose_groups(v);
            UNROLL for (int r = 0; r < 4; r++)
            {
                vst1q_s8(p->w[i % 2][i / 2][r], v[r]);
            }
        }
        unpack_halves(p->d, tile->d);
    }
}

ALWAYS_INLINE void unpack_q4_0(void *panel, const void *w, int n_cols)
{
    struct panel_block *p = panel;
    const struct tile_q4_0 *tile = w;
    for (int b = 0; b < n_cols / QK8_0; b++, p++, tile++) {
        UNROLL for (int i = 0; i < 2; i++)
        {
            int8x16_t rows[4], v[2];
            load_rows(rows, tile->qs[4 * i][0]);
            UNROLL for (int r = 0; r < 4; r++)
            {
                unpack_signed_nibbles(v, vreinterpretq_u8_s8(rows[r]));
                vst1q_s8(p->w[0][i][r], v[0]);
                vst1q_s8(p->w[1][i][r], v[1]);
            }
        }
        unpack_halves(p->d, tile->d);
    }
}

// 32 products of each row of Q8_0. Two fit an int16 even at -128 * 127: 32512.
ALWAYS_INLINE int32x4_t dot_q8_0(const int8x16_t w0[4], const int8x16_t w1[4], int8x16_t x0,
                                 int8x16_t x1)
{
    int32x4_t sum[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        int16x8_t low = vmull_s8(vget_low_s8(w0[r]), vget_low_s8(x0));
        int16x8_t high = vmull_high_s8(w0[r], x0);
        low = vmlal_s8(low, vget_low_s8(w1[r]), vget_low_s8(x1));
        high = vmlal_high_s8(high, w1[r], x1);
        sum[r] = vpadalq_s16(vpaddlq_s16(low), high);
    }
    return vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3]));
}

// The same of Q4_0: at most 8 * 127 * 32 = 32512 in all, so that lanes add in int16.
ALWAYS_INLINE int32x4_t dot_q4_0(const int8x16_t w0[4], const int8x16_t w1[4], int8x16_t x0,
                                 int8x16_t x1)
{
    int16x8_t sum[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        sum[r] = vmull_s8(vget_low_s8(w0[r]), vget_low_s8(x0));
        sum[r] = vmlal_high_s8(sum[r], w0[r], x0);
        sum[r] = vmlal_s8(sum[r], vget_low_s8(w1[r]), vget_low_s8(x1));
        sum[r] = vmlal_high_s8(sum[r], w1[r], x1);
    }
    return vpaddlq_s16(vpaddq_s16(vpaddq_s16(sum[0], sum[1]), vpaddq_s16(sum[2], sum[3])));
}

ALWAYS_INLINE void multiply_half(float *const acc[GEMM_TOKENS], const struct panel_block *p,
                                 const struct token_pointers *packed, int n_blocks, int half,
                                 bool q4_0)
{
    const struct act_q8_0 *token[GEMM_TOKENS];
    float32x4_t f[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        token[t] = (const struct act_q8_0 *)packed->token[t];
        f[t] = vld1q_f32(acc[t] + 4 * half);
    }
    for (int b = 0; b < n_blocks; b++, p++) {
        int8x16_t w0[4], w1[4];
        UNROLL for (int r = 0; r < 4; r++)
        {
            w0[r] = vld1q_s8(p->w[half][0][r]);
            w1[r] = vld1q_s8(p->w[half][1][r]);
        }
        const float32x4_t d = vld1q_f32(p->d + 4 * half);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            const int8x16_t x0 = vld1q_s8(token[t]->q), x1 = vld1q_s8(token[t]->q + 16);
            const int32x4_t a = q4_0 ? dot_q4_0(w0, w1, x0, x1) : dot_q8_0(w0, w1, x0, x1);
            f[t] = vfmaq_f32(f[t], vcvtq_f32_s32(a), vmulq_n_f32(d, token[t]->d));
            token[t]++;
            if (t + 1 < GEMM_TOKENS) {
                COMPUTE_BEFORE(f[t], token[t + 1]); // all tokens at once would not fit registers
            }
        }
    }
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        vst1q_f32(acc[t] + 4 * half, f[t]);
    }
}

ALWAYS_INLINE void multiply_q8_0(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    multiply_half(acc, panel, packed, n_cols / QK8_0, 0, false);
    multiply_half(acc, panel, packed, n_cols / QK8_0, 1, false);
}

ALWAYS_INLINE void multiply_q4_0(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    multiply_half(acc, panel, packed, n_cols / QK8_0, 0, true);
    multiply_half(acc, panel, packed, n_cols / QK8_0, 1, true);
}

GEMM_FUNCTION(gemm_q8_0_neon, TYPE_Q8_0, BLOCKS, QK8_0, tile_q8_0, act_q8_0, panel, unpack_q8_0,
              token_pointers, pack_pointers, multiply_q8_0)
GEMM_FUNCTION(gemm_q4_0_neon, TYPE_Q4_0, BLOCKS, QK8_0, tile_q4_0, act_q8_0, panel, unpack_q4_0,
              token_pointers, pack_pointers, multiply_q4_0)
