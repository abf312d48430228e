// GEMM of Q8_0 and Q4_0 with SMMLA: a vector of weights is eight columns of two rows, one of
// activations eight columns of two tokens.
#include "nn/activation.h"
#include "nn/gemm_i8mm_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define BLOCKS 8 // of 32 columns in a panel

struct panel_block {
    int8_t w[4][4][2][8]; // [8 columns][row pair][row][column]
    float d[4][4];        // [row pair]: of either row twice, as its sums lie
};

struct panel {
    struct panel_block block[BLOCKS];
};

struct packed_block {
    int8_t q[4][2][2][8]; // [8 columns][pair][token][column]
    float d[2][2];        // [pair][token]
};

struct packed {
    struct packed_block block[BLOCKS];
};

ALWAYS_INLINE void pack(void *packed, const uint8_t *const token[GEMM_TOKENS], int n_cols)
{
    struct packed_block *p = packed;
    const struct act_q8_0 *x[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        x[t] = (const struct act_q8_0 *)token[t];
    }
    for (int b = 0; b < n_cols / QK8_0; b++, p++) {
        const int8_t *const q[GEMM_TOKENS] = {x[0]->q, x[1]->q, x[2]->q, x[3]->q};
        pack_pairs(p->q[0][0][0], q);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            p->d[t / 2][t % 2] = x[t]->d;
            x[t]++;
        }
    }
}

ALWAYS_INLINE void unpack_q8_0(void *panel, const void *w, int n_cols)
{
    const uint8_t *tile = w;
    int8_t *to = panel;
    for (int b = n_cols / QK8_0; b > 0; b--) {
        const uint16x8_t d = next_halves(&tile);
        UNROLL for (int k = 0; k < 4; k++)
        {
            const uint8x16x4_t v = next_u8x4(&tile); // [column group][half of the rows]
            uint8x16_t low[2], high[2];
            row_pairs(low, v.val[0], v.val[2]);
            row_pairs(high, v.val[1], v.val[3]);
            store_row_pairs(&to, vreinterpretq_s8_u8(low[0]), vreinterpretq_s8_u8(low[1]),
                            vreinterpretq_s8_u8(high[0]), vreinterpretq_s8_u8(high[1]));
        }
        store_halves_twice(&to, d);
    }
}

ALWAYS_INLINE void unpack_q4_0(void *panel, const void *w, int n_cols)
{
    const uint8_t *tile = w;
    int8_t *to = panel;
    for (int b = n_cols / QK8_0; b > 0; b--) {
        const uint16x8_t d = next_halves(&tile);
        UNROLL for (int k = 0; k < 2; k++)
        {
            const uint8x16x4_t v = next_u8x4(&tile);
            UNROLL for (int i = 0; i < 4; i += 2)
            {
                uint8x16_t rows[2];
                int8x16_t x[2], y[2];
                row_pairs(rows, v.val[i], v.val[i + 1]);
                unpack_signed_nibbles(x, rows[0]);
                unpack_signed_nibbles(y, rows[1]);
                store_row_pairs(&to, x[0], y[0], x[1], y[1]);
            }
        }
        store_halves_twice(&to, d);
    }
}

// Two floats, as f0 f1 f0 f1.
ALWAYS_INLINE float32x4_t next_pair_twice(const int8_t **p)
{
    const int64x2_t v = vld1q_dup_s64((const int64_t *)*p);
    *p += 8;
    FORGET_ORIGIN(*p);
    return vreinterpretq_f32_s64(v);
}

ALWAYS_INLINE void multiply_blocks(float *const acc[GEMM_TOKENS], const void *panel,
                                   const void *packed, int n_cols)
{
    const int8_t *w = panel, *x = packed; // both are read from front to back
    float32x4_t f[2][4];
    UNROLL for (int t = 0; t < 2; t++)
    {
        const float *a = acc[2 * t], *b = acc[2 * t + 1];
        f[t][0] = vzip1q_f32(vld1q_f32(a), vld1q_f32(b));
        f[t][1] = vzip2q_f32(vld1q_f32(a), vld1q_f32(b));
        f[t][2] = vzip1q_f32(vld1q_f32(a + 4), vld1q_f32(b + 4));
        f[t][3] = vzip2q_f32(vld1q_f32(a + 4), vld1q_f32(b + 4));
    }
    for (int b = n_cols / QK8_0; b > 0; b--) {
        int32x4_t sum[2][4];
        UNROLL for (int i = 0; i < 4; i++)
        {
            sum[0][i] = sum[1][i] = vdupq_n_s32(0);
        }
        UNROLL for (int k = 0; k < 2; k++)
        {
            const int8x16x4_t x16 = next_s8x4(&x);
            add_pairs(sum, next_s8x4(&w), x16.val[0], x16.val[1]);
            add_pairs(sum, next_s8x4(&w), x16.val[2], x16.val[3]);
        }
        const float32x4x4_t d = next_floats(&w);
        const float32x4_t d0 = next_pair_twice(&x), d1 = next_pair_twice(&x);
        UNROLL for (int i = 0; i < 4; i++)
        {
            f[0][i] = vfmaq_f32(f[0][i], vcvtq_f32_s32(sum[0][i]), vmulq_f32(d.val[i], d0));
            f[1][i] = vfmaq_f32(f[1][i], vcvtq_f32_s32(sum[1][i]), vmulq_f32(d.val[i], d1));
        }
    }
    UNROLL for (int t = 0; t < 2; t++)
    {
        float32x4_t apart[2][2];
        tokens_apart(apart, f[t]);
        vst1q_f32(acc[2 * t], apart[0][0]);
        vst1q_f32(acc[2 * t] + 4, apart[0][1]);
        vst1q_f32(acc[2 * t + 1], apart[1][0]);
        vst1q_f32(acc[2 * t + 1] + 4, apart[1][1]);
    }
}

GEMM_FUNCTION(gemm_q8_0_i8mm, TYPE_Q8_0, BLOCKS, QK8_0, tile_q8_0, act_q8_0, panel, unpack_q8_0,
              packed, pack, multiply_blocks)
GEMM_FUNCTION(gemm_q4_0_i8mm, TYPE_Q4_0, BLOCKS, QK8_0, tile_q4_0, act_q8_0, panel, unpack_q4_0,
              packed, pack, multiply_blocks)
