// GEMM of types in blocks of 256 with SDOT by lane: a lane is a row, a vector of activations is one
// token.
//
// A sum over sub-blocks j of scale_j * dot_j is computed from running sums P_j = dot_0 + .. + dot_j
// as sum_j (scale_j - scale_{j+1}) * P_j, scale beyond the last being 0: no accumulator is ever
// cleared. Exact modulo 2^32, and the result fits 32 bits.
#include "nn/activation.h"
#include "nn/block_k_neon.h"
#include "nn/gemm_dotprod_neon.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

// 256 columns of eight rows.
#define UNROLLED 128 // columns written out

struct panel {
    int8_t w[64][8][4];         // [column group][row][column]
    uint32_t scale_step[16][8]; // [sub-block][row]: scale_j - scale_{j+1}
    int16_t min[16][8];         // [sub-block][row]
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

// Of Q4_K and Q5_K.
ALWAYS_INLINE void unpack_s6_tile(struct panel *p, const struct tile_q4_k *tile)
{
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
    unpack_s6_tile(p, tile);
}

// 16 columns after the other; what unpack_columns() takes 16 too small is set right.
ALWAYS_INLINE void unpack_quants(struct panel *p, uint32_t type, const void *tile)
{
    for (int j = 0; j < 16; j += 2) {
        UNROLL for (int i = 0; i < 2; i++)
        {
            int8x16_t v[2][4];
            unpack_columns(v, type, tile, j + i);
            UNROLL for (int g = 0; g < 8; g++)
            {
                int8x16_t group = v[g % 2][g / 2];
                if (type == TYPE_Q5_K) {
                    group = vaddq_s8(group, vdupq_n_s8(16));
                }
                vst1q_s8(p->w[4 * (j + i) + g / 2][4 * (g % 2)], group);
            }
        }
    }
}

ALWAYS_INLINE void unpack_q5_k(void *panel, const void *w, int n_cols)
{
    unpack_quants(panel, TYPE_Q5_K, w);
    unpack_s6_tile(panel, w); // a tile of Q5_K begins like one of Q4_K
}

// Of types with scales [sub-block][row].
ALWAYS_INLINE void unpack_type(uint32_t type, struct panel *p, const void *tile)
{
    int8x16_t sc[9];
    unpack_quants(p, type, tile);
    const int n = unpack_scales(sc, type, tile);
    sc[n] = vdupq_n_s8(0);
    UNROLL for (int j = 0; j < n; j++)
    {
        const int8x8_t s0 = vget_low_s8(sc[j]), s1 = vget_high_s8(sc[j]);
        store_scale_steps(p, 2 * j, vsubl_s8(s0, s1));
        store_scale_steps(p, 2 * j + 1, vsubl_s8(s1, vget_low_s8(sc[j + 1])));
    }
    unpack_halves(p->d, tile);
    if (type == TYPE_Q2_K) {
        unpack_q2_k_mins(p->min, tile);
        unpack_halves(p->dmin, (const uint16_t *)tile + 8);
    }
}

#define UNPACK(name, type)                                                                         \
    ALWAYS_INLINE void unpack_##name(void *panel, const void *w, int n_cols)                       \
    {                                                                                              \
        unpack_type(type, panel, w);                                                               \
    }
UNPACK(q2_k, TYPE_Q2_K)
UNPACK(q3_k, TYPE_Q3_K)
UNPACK(iq4_xs, TYPE_IQ4_XS)

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

// m = sum_j min_j * the sums of sub-blocks.
ALWAYS_INLINE void dot_mins(int32x4_t m[2], const int16_t (*min)[8], const int16_t *bsum,
                            int sub_block)
{
    const int16x8_t b0 = vld1q_s16(bsum), b1 = vld1q_s16(bsum + 8);
    const int16x8_t sums[2] = {sub_block == 16 ? b0 : vpaddq_s16(b0, b1), b1};
    m[0] = m[1] = vdupq_n_s32(0);
    UNROLL for (int j = 0; j < QK_K / sub_block; j++)
    {
        add_min(m, vld1q_s16(min[j]), sums[j / 8], j % 8);
    }
}

ALWAYS_INLINE void multiply(float *const acc[GEMM_TOKENS], const struct panel *p,
                            const struct token_pointers *packed, int sub_block, bool has_min)
{
    const uint8_t *const *x = packed->token;
    uint32x4_t a[GEMM_TOKENS][2];
    scaled_dots(a, p, x, sub_block);
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const struct act_q8_k *token = (const struct act_q8_k *)x[t];
        int32x4_t m[2];
        if (has_min) {
            dot_mins(m, p->min, token->bsum, sub_block);
        }
        UNROLL for (int half = 0; half < 2; half++)
        {
            float *sum = acc[t] + 4 * half;
            const float32x4_t d = vld1q_f32(p->d + 4 * half);
            float32x4_t f = vmulq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(a[t][half])), d);
            if (has_min) {
                f = vfmsq_f32(f, vcvtq_f32_s32(m[half]), vld1q_f32(p->dmin + 4 * half));
            }
            vst1q_f32(sum, vfmaq_n_f32(vld1q_f32(sum), f, token->d));
        }
    }
}

#define GEMM(name, type)                                                                           \
    ALWAYS_INLINE void multiply_##name(float *const acc[GEMM_TOKENS], const void *panel,           \
                                       const void *packed, int n_cols)                             \
    {                                                                                              \
        multiply(acc, panel, packed, tile_sub_block(type), tile_has_min(type));                    \
    }                                                                                              \
    GEMM_FUNCTION(gemm_##name##_dotprod, type, 1, QK_K, tile_##name, act_q8_k, panel,              \
                  unpack_##name, token_pointers, pack_pointers, multiply_##name)
GEMM(q2_k, TYPE_Q2_K)
GEMM(q3_k, TYPE_Q3_K)
GEMM(q4_k, TYPE_Q4_K)
GEMM(q5_k, TYPE_Q5_K)
GEMM(q6_k, TYPE_Q6_K)
GEMM(iq4_xs, TYPE_IQ4_XS)
