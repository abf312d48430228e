// GEMM of Q8_0 and Q4_0 with SDOT by lane: a lane is a row, a vector of activations is one token.
#include "nn/activation.h"
#include "nn/gemm_dotprod_neon.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define BLOCKS 8 // of 32 columns in a panel

struct panel_block {
    int8_t w[8][8][4]; // [column group][row][column]
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
        UNROLL for (int i = 0; i < 16; i++)
        {
            vst1q_s8(p->w[0][0] + 16 * i, vld1q_s8(tile->qs[0][0] + 16 * i));
        }
        unpack_halves(p->d, tile->d);
    }
}

ALWAYS_INLINE void unpack_q4_0(void *panel, const void *w, int n_cols)
{
    struct panel_block *p = panel;
    const struct tile_q4_0 *tile = w;
    for (int b = 0; b < n_cols / QK8_0; b++, p++, tile++) {
        UNROLL for (int group = 0; group < 8; group++)
        {
            int8x16_t v[2];
            unpack_signed_nibbles(v, vld1q_u8(tile->qs[group][0]));
            vst1q_s8(p->w[group][0], v[0]);
            vst1q_s8(p->w[group][4], v[1]);
        }
        unpack_halves(p->d, tile->d);
    }
}

ALWAYS_INLINE void multiply_blocks(float *const acc[GEMM_TOKENS], const void *panel,
                                   const void *packed, int n_cols)
{
    const struct panel_block *p = panel;
    const uint8_t *const *x = ((const struct token_pointers *)packed)->token;
    const struct act_q8_0 *token[GEMM_TOKENS];
    float32x4_t f[GEMM_TOKENS][2];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        token[t] = (const struct act_q8_0 *)x[t];
        f[t][0] = vld1q_f32(acc[t]);
        f[t][1] = vld1q_f32(acc[t] + 4);
    }
    for (int b = 0; b < n_cols / QK8_0; b++, p++) {
        int32x4_t sum[GEMM_TOKENS][2];
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            sum[t][0] = sum[t][1] = vdupq_n_s32(0);
        }
        UNROLL for (int k = 0; k < QK8_0; k += 16)
        {
            const int8x16_t q[GEMM_TOKENS] = {vld1q_s8(token[0]->q + k), vld1q_s8(token[1]->q + k),
                                              vld1q_s8(token[2]->q + k), vld1q_s8(token[3]->q + k)};
            add_dots(sum, p->w + k / 4, q);
        }
        const float32x4_t d0 = vld1q_f32(p->d), d1 = vld1q_f32(p->d + 4);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            const float d = token[t]->d;
            f[t][0] = vfmaq_f32(f[t][0], vcvtq_f32_s32(sum[t][0]), vmulq_n_f32(d0, d));
            f[t][1] = vfmaq_f32(f[t][1], vcvtq_f32_s32(sum[t][1]), vmulq_n_f32(d1, d));
            token[t]++;
        }
    }
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        vst1q_f32(acc[t], f[t][0]);
        vst1q_f32(acc[t] + 4, f[t][1]);
    }
}

GEMM_FUNCTION(gemm_q8_0_dotprod, TYPE_Q8_0, BLOCKS, QK8_0, tile_q8_0, act_q8_0, panel, unpack_q8_0,
              token_pointers, pack_pointers, multiply_blocks)
GEMM_FUNCTION(gemm_q4_0_dotprod, TYPE_Q4_0, BLOCKS, QK8_0, tile_q4_0, act_q8_0, panel, unpack_q4_0,
              token_pointers, pack_pointers, multiply_blocks)
