// GEMM of Q4_K and Q6_K with SDOT by lane: a lane is a row, a vector of activations is one token.
//
// A sum over sub-blocks j of scale_j * dot_j is computed from running sums P_j = dot_0 + .. + dot_j
// as sum_j (scale_j - scale_{j+1}) * P_j, scale beyond the last being 0: no accumulator is ever
// cleared. Exact modulo 2^32, and the result fits 32 bits.
#include "nn/activation.h"
#include "nn/gemm_dotprod_neon.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

// 256 columns of eight rows.
#define UNROLLED 128 // columns written out

struct panel {
    int8_t w[64][8][4];         // [column group][row][column]
    uint32_t scale_step[16][8]; // [sub-block][row]: scale_j - scale_{j+1}
    int16_t min[8][8];          // [sub-block][row]
    float d[8], dmin[8];
};

ALWAYS_INLINE void store_scale_steps(struct panel *p, int j, int16x8_t step)
{
    vst1q_u32(p->scale_step[j], vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(step))));
    vst1q_u32(p->scale_step[j] + 4, vreinterpretq_u32_s32(vmovl_high_s16(step)));
}

// Bytes 4 * (j % 4) + r of the two halves of the rows: steps of four sub-blocks.
ALWAYS_INLINE void scale_steps(struct panel *p, int j, int8x16_t low, int8x16_t high)
{
    const int32x4_t a = vreinterpretq_s32_s8(low), b = vreinterpretq_s32_s8(high);
    const int8x16_t j01 = vreinterpretq_s8_s32(vzip1q_s32(a, b));
    const int8x16_t j23 = vreinterpretq_s8_s32(vzip2q_s32(a, b));
    store_scale_steps(p, j, vmovl_s8(vget_low_s8(j01)));
    store_scale_steps(p, j + 1, vmovl_high_s8(j01));
    store_scale_steps(p, j + 2, vmovl_s8(vget_low_s8(j23)));
    store_scale_steps(p, j + 3, vmovl_high_s8(j23));
}

ALWAYS_INLINE void unpack_q4_k(void *panel, const void *w, int n_cols)
{
    struct panel *p = panel;
    const struct tile_q4_k *tile = w;
    const uint8_t *qs = tile->qs[0][0][0];
    for (int group = 0; group < 64; group += 8, qs += 128) {
        UNROLL for (int i = 0; i < 8; i++)
        {
            int8x16_t v[2];
            unpack_nibbles(v, vld1q_u8(qs + 16 * i));
            vst1q_s8(p->w[group + i][0], v[0]);
            vst1q_s8(p->w[group + i][4], v[1]);
        }
    }
    int8x16_t sc[2][2], mn[2][2], step[2][2];
    UNROLL for (int half = 0; half < 2; half++)
    {
        unpack_s6(sc[half], mn[half], tile->s6[half]);
        step[half][0] = vsubq_s8(sc[half][0], vextq_s8(sc[half][0], sc[half][1], 4));
        step[half][1] = vsubq_s8(sc[half][1], vextq_s8(sc[half][1], vdupq_n_s8(0), 4));
    }
    scale_steps(p, 0, step[0][0], step[1][0]);
    scale_steps(p, 4, step[0][1], step[1][1]);
    unpack_mins(p->min, mn[0], mn[1]);
    unpack_halves(p->d, tile->d);
    unpack_halves(p->dmin, tile->dmin);
}

ALWAYS_INLINE void unpack_q6_k(void *panel, const void *w, int n_cols)
{
    struct panel *p = panel;
    const struct tile_q6_k *tile = w;
    for (int j = 0; j < 16; j++) {
        UNROLL for (int half = 0; half < 2; half++)
        {
            int8x16_t v[4];
            unpack_six_bits(v, tile->qs[j][half]);
            UNROLL for (int i = 0; i < 4; i++)
            {
                vst1q_s8(p->w[4 * j + i][4 * half], v[i]);
            }
        }
    }
    int16x8_t scale = vmovl_s8(vld1_s8(tile->sc[0]));
    for (int j = 0; j < 15; j++) {
        const int16x8_t next = vmovl_s8(vld1_s8(tile->sc[j + 1]));
        store_scale_steps(p, j, vsubq_s16(scale, next));
        scale = next;
    }
    store_scale_steps(p, 15, scale);
    unpack_halves(p->d, tile->d);
}

// a[t][half] = sum_j scale_j * dot_j of four rows; sub_block: columns of a scale.
ALWAYS_INLINE void scaled_dots(uint32x4_t a[GEMM_TOKENS][2], const struct panel *p,
                               const uint8_t *const *x, int sub_block)
{
    int32x4_t sum[GEMM_TOKENS][2];
    const int8_t *q[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        q[t] = ((const struct act_q8_k *)x[t])->q;
        sum[t][0] = sum[t][1] = vdupq_n_s32(0);
        a[t][0] = a[t][1] = vdupq_n_u32(0);
    }
    const int8_t(*w)[8][4] = p->w;
    const uint32_t(*step)[8] = p->scale_step;
    FORGET_ORIGIN(w); // else the panel's loads leave the loop over the tokens, for the stack
    for (const int8_t(*end)[8][4] = w + 64; w != end; w += UNROLLED / 4) {
        UNROLL for (int k = 0; k < UNROLLED; k += 16)
        {
            const int8x16_t x16[GEMM_TOKENS] = {vld1q_s8(q[0] + k), vld1q_s8(q[1] + k),
                                                vld1q_s8(q[2] + k), vld1q_s8(q[3] + k)};
            add_dots(sum, w + k / 4, x16);
            if ((k + 16) % sub_block == 0) {
                const uint32x4_t s0 = vld1q_u32(step[0]), s1 = vld1q_u32(step[0] + 4);
                step++;
                UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
                {
                    a[t][0] = vmlaq_u32(a[t][0], vreinterpretq_u32_s32(sum[t][0]), s0);
                    a[t][1] = vmlaq_u32(a[t][1], vreinterpretq_u32_s32(sum[t][1]), s1);
                    KEEP_ORDER(a[t][0]);
                    KEEP_ORDER(a[t][1]);
                    KEEP_ORDER(sum[t][0]);
                    KEEP_ORDER(sum[t][1]);
                }
            }
        }
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            q[t] += UNROLLED;
        }
    }
}

ALWAYS_INLINE void multiply_q4_k(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    const struct panel *p = panel;
    const uint8_t *const *x = ((const struct token_pointers *)packed)->token;
    uint32x4_t a[GEMM_TOKENS][2];
    scaled_dots(a, p, x, 32);
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const struct act_q8_k *token = (const struct act_q8_k *)x[t];
        const int16x8_t sums = vpaddq_s16(vld1q_s16(token->bsum), vld1q_s16(token->bsum + 8));
        int32x4_t m0 = vdupq_n_s32(0), m1 = m0;
#define ADD_MIN(j)                                                                                 \
    do {                                                                                           \
        const int16x8_t min = vld1q_s16(p->min[j]);                                                \
        m0 = vmlal_laneq_s16(m0, vget_low_s16(min), sums, j);                                      \
        m1 = vmlal_high_laneq_s16(m1, min, sums, j);                                               \
    } while (0)
        ADD_MIN(0);
        ADD_MIN(1);
        ADD_MIN(2);
        ADD_MIN(3);
        ADD_MIN(4);
        ADD_MIN(5);
        ADD_MIN(6);
        ADD_MIN(7);
#undef ADD_MIN
        const float32x4_t a0 = vcvtq_f32_s32(vreinterpretq_s32_u32(a[t][0]));
        const float32x4_t a1 = vcvtq_f32_s32(vreinterpretq_s32_u32(a[t][1]));
        float32x4_t f0 = vmulq_f32(a0, vld1q_f32(p->d));
        float32x4_t f1 = vmulq_f32(a1, vld1q_f32(p->d + 4));
        f0 = vfmsq_f32(f0, vcvtq_f32_s32(m0), vld1q_f32(p->dmin));
        f1 = vfmsq_f32(f1, vcvtq_f32_s32(m1), vld1q_f32(p->dmin + 4));
        vst1q_f32(acc[t], vfmaq_n_f32(vld1q_f32(acc[t]), f0, token->d));
        vst1q_f32(acc[t] + 4, vfmaq_n_f32(vld1q_f32(acc[t] + 4), f1, token->d));
    }
}

ALWAYS_INLINE void multiply_q6_k(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    const struct panel *p = panel;
    const uint8_t *const *x = ((const struct token_pointers *)packed)->token;
    uint32x4_t a[GEMM_TOKENS][2];
    scaled_dots(a, p, x, 16);
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const struct act_q8_k *token = (const struct act_q8_k *)x[t];
        const float32x4_t a0 = vcvtq_f32_s32(vreinterpretq_s32_u32(a[t][0]));
        const float32x4_t a1 = vcvtq_f32_s32(vreinterpretq_s32_u32(a[t][1]));
        const float32x4_t f0 = vmulq_f32(a0, vld1q_f32(p->d));
        const float32x4_t f1 = vmulq_f32(a1, vld1q_f32(p->d + 4));
        vst1q_f32(acc[t], vfmaq_n_f32(vld1q_f32(acc[t]), f0, token->d));
        vst1q_f32(acc[t] + 4, vfmaq_n_f32(vld1q_f32(acc[t] + 4), f1, token->d));
    }
}

GEMM_FUNCTION(gemm_q4_k_dotprod, TYPE_Q4_K, 1, QK_K, tile_q4_k, act_q8_k, panel, unpack_q4_k,
              token_pointers, pack_pointers, multiply_q4_k)
GEMM_FUNCTION(gemm_q6_k_dotprod, TYPE_Q6_K, 1, QK_K, tile_q6_k, act_q8_k, panel, unpack_q6_k,
              token_pointers, pack_pointers, multiply_q6_k)
