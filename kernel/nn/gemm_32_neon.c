// GEMM of types in blocks of 32 with SMLAL: int16 sums, reduced over the lanes for four rows at
// once.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define BLOCKS 8 // of 32 columns in a panel

struct panel_block {
    int8_t w[2][2][4][16]; // [half of the rows][16 columns][row][column]
    float d[8], m[8];
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

// The others, as unpack_columns() takes them.
ALWAYS_INLINE void unpack_type(uint32_t type, void *panel, const void *w, int n_cols)
{
    struct panel_block *p = panel;
    const uint8_t *tile = w;
    for (int b = 0; b < n_cols / QK8_0; b++, p++, tile += tile_block_bytes(type)) {
        const uint16_t *half = (const uint16_t *)(const void *)tile;
        UNROLL for (int i = 0; i < 2; i++)
        {
            int8x16_t v[2][4];
            unpack_columns(v, type, tile, i);
            transpose_groups(v[0]);
            transpose_groups(v[1]);
            UNROLL for (int r = 0; r < 4; r++)
            {
                vst1q_s8(p->w[0][i][r], v[0][r]);
                vst1q_s8(p->w[1][i][r], v[1][r]);
            }
        }
        unpack_halves(p->d, half);
        if (tile_has_min(type)) {
            unpack_halves(p->m, half + 8);
        }
    }
}

// 32 products of each row of int8. Two fit an int16 even at -128 * 127: 32512.
ALWAYS_INLINE int32x4_t dot_bytes(const int8x16_t w0[4], const int8x16_t w1[4], int8x16_t x0,
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

// The same of at most five bits: 16 products of 16 * 127 make 32512, so that lanes add in int16.
ALWAYS_INLINE int32x4_t dot_small(const int8x16_t w0[4], const int8x16_t w1[4], int8x16_t x0,
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
                                 uint32_t type)
{
    const bool bytes = type == TYPE_Q8_0 || type == TYPE_IQ4_NL;
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
        const float32x4_t d = vld1q_f32(p->d + 4 * half), m = vld1q_f32(p->m + 4 * half);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            const int8x16_t x0 = vld1q_s8(token[t]->q), x1 = vld1q_s8(token[t]->q + 16);
            int32x4_t a = bytes ? dot_bytes(w0, w1, x0, x1) : dot_small(w0, w1, x0, x1);
            if (type == TYPE_Q5_1) { // counts from 0
                a = vaddq_s32(a, vdupq_n_s32(16 * token[t]->sum));
            }
            f[t] = add_block_32(f[t], a, d, m, token[t], tile_has_min(type));
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

#define UNPACK(name, type)                                                                         \
    ALWAYS_INLINE void unpack_##name(void *panel, const void *w, int n_cols)                       \
    {                                                                                              \
        unpack_type(type, panel, w, n_cols);                                                       \
    }
UNPACK(q4_1, TYPE_Q4_1)
UNPACK(q5_0, TYPE_Q5_0)
UNPACK(q5_1, TYPE_Q5_1)
UNPACK(iq4_nl, TYPE_IQ4_NL)

#define GEMM(name, type)                                                                           \
    ALWAYS_INLINE void multiply_##name(float *const acc[GEMM_TOKENS], const void *panel,           \
                                       const void *packed, int n_cols)                             \
    {                                                                                              \
        multiply_half(acc, panel, packed, n_cols / QK8_0, 0, type);                                \
        multiply_half(acc, panel, packed, n_cols / QK8_0, 1, type);                                \
    }                                                                                              \
    GEMM_FUNCTION(gemm_##name##_neon, type, BLOCKS, QK8_0, tile_##name, act_q8_0, panel,           \
                  unpack_##name, token_pointers, pack_pointers, multiply_##name)
GEMM(q8_0, TYPE_Q8_0)
GEMM(q4_0, TYPE_Q4_0)
GEMM(q4_1, TYPE_Q4_1)
GEMM(q5_0, TYPE_Q5_0)
GEMM(q5_1, TYPE_Q5_1)
GEMM(iq4_nl, TYPE_IQ4_NL)
