// GEMM of types in blocks of 32 with SDOT by lane: a lane is a row, a vector of activations is one
// token.
#include "nn/activation.h"
#include "nn/block_32_neon.h"
#include "nn/gemm_dotprod_neon.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define BLOCKS 8 // of 32 columns in a panel

struct panel_block {
    int8_t w[8][8][4]; // [column group][row][column]
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

// The others; what unpack_columns() takes 16 too small is set right.
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
            UNROLL for (int g = 0; g < 8; g++)
            {
                int8x16_t group = v[g % 2][g / 2];
                if (type == TYPE_Q5_1) {
                    group = vaddq_s8(group, vdupq_n_s8(16));
                }
                vst1q_s8(p->w[4 * i + g / 2][4 * (g % 2)], group);
            }
        }
        unpack_halves(p->d, half);
        if (tile_has_min(type)) {
            unpack_halves(p->m, half + 8);
        }
    }
}

ALWAYS_INLINE void multiply(float *const acc[GEMM_TOKENS], const void *panel, const void *packed,
                            int n_cols, bool has_min)
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
        const float32x4_t m0 = vld1q_f32(p->m), m1 = vld1q_f32(p->m + 4);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            f[t][0] = add_block_32(f[t][0], sum[t][0], d0, m0, token[t], has_min);
            f[t][1] = add_block_32(f[t][1], sum[t][1], d1, m1, token[t], has_min);
            token[t]++;
        }
    }
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        vst1q_f32(acc[t], f[t][0]);
        vst1q_f32(acc[t] + 4, f[t][1]);
    }
}

ALWAYS_INLINE void multiply_d(float *const acc[GEMM_TOKENS], const void *panel, const void *packed,
                              int n_cols)
{
    multiply(acc, panel, packed, n_cols, false);
}

ALWAYS_INLINE void multiply_d_m(float *const acc[GEMM_TOKENS], const void *panel,
                                const void *packed, int n_cols)
{
    multiply(acc, panel, packed, n_cols, true);
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

#define GEMM(name, type, multiply)                                                                 \
    GEMM_FUNCTION(gemm_##name##_dotprod, type, BLOCKS, QK8_0, tile_##name, act_q8_0, panel,        \
                  unpack_##name, token_pointers, pack_pointers, multiply)
GEMM(q8_0, TYPE_Q8_0, multiply_d)
GEMM(q4_0, TYPE_Q4_0, multiply_d)
GEMM(q4_1, TYPE_Q4_1, multiply_d_m)
GEMM(q5_0, TYPE_Q5_0, multiply_d)
GEMM(q5_1, TYPE_Q5_1, multiply_d_m)
GEMM(iq4_nl, TYPE_IQ4_NL, multiply_d)
