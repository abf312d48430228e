// GEMM of Q4_K and Q6_K with SMMLA: a vector of weights is eight columns of two rows, one of
// activations eight columns of two tokens.
//
// A sum over sub-blocks j of scale_j * dot_j is computed from running sums P_j = dot_0 + .. + dot_j
// as sum_j (scale_j - scale_{j+1}) * P_j, scale beyond the last being 0: no accumulator is ever
// cleared. Exact modulo 2^32, and the result fits 32 bits.
#include "nn/activation.h"
#include "nn/gemm_i8mm_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

#define UNROLLED 128 // columns written out

// 256 columns of eight rows. Of a row pair's values those of either row come twice, as its sums
// lie.
struct panel_q4_k {
    int8_t w[32][4][2][8];        // [8 columns][row pair][row][column]
    float d[4][4], dmin[4][4];    // [row pair]
    int8_t min[4][2][8];          // [row pair][row][sub-block]
    uint32_t scale_step[8][4][4]; // [sub-block][row pair]: scale_j - scale_{j+1}
};

struct panel_q6_k {
    int8_t w[32][4][2][8];
    float d[4][4];
    uint32_t scale_step[16][4][4];
};

// 256 columns of four tokens. Q6_K has no use for sums.
struct packed_q6_k {
    int8_t q[32][2][2][8]; // [8 columns][pair][token][column]
    float d[4];
};

struct packed_q4_k {
    struct packed_q6_k x;
    int8_t sum[2][2][2][8]; // [upper, lower six bits][pair][token][32 columns]: of q
};

ALWAYS_INLINE void pack_q6_k(void *packed, const uint8_t *const token[GEMM_TOKENS], int n_cols)
{
    struct packed_q6_k *p = packed;
    const int8_t *q[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const struct act_q8_k *x = (const struct act_q8_k *)token[t];
        p->d[t] = x->d;
        q[t] = x->q;
    }
    for (int k = 0; k < 32; k += 4) {
        pack_pairs(p->q[k][0][0], q);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            q[t] += 32;
        }
    }
}

ALWAYS_INLINE void pack_q4_k(void *packed, const uint8_t *const token[GEMM_TOKENS], int n_cols)
{
    struct packed_q4_k *p = packed;
    pack_q6_k(&p->x, token, n_cols);
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const int16_t *bsum = ((const struct act_q8_k *)token[t])->bsum;
        const int16x8_t sum = vpaddq_s16(vld1q_s16(bsum), vld1q_s16(bsum + 8));
        // -4064 <= sum <= 4064: sum = 64 * upper + lower
        vst1_s8(p->sum[0][t / 2][t % 2], vshrn_n_s16(sum, 6));
        vst1_s8(p->sum[1][t / 2][t % 2], vmovn_s16(vandq_s16(sum, vdupq_n_s16(63))));
    }
}

// Steps of rows 0..3 and 4..7, each twice.
ALWAYS_INLINE void store_scale_steps(uint32_t **to, int16x8_t low, int16x8_t high)
{
    const int32x4x4_t v = {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low),
                            vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
    vst1q_s32_x4((int32_t *)*to, v);
    *to += 16;
    FORGET_ORIGIN(*to);
}

// Of two sub-blocks; bytes [sub-block][row], each twice.
ALWAYS_INLINE void store_two_scale_steps(uint32_t **to, int8x16_t low, int8x16_t high)
{
    store_scale_steps(to, vmovl_s8(vget_low_s8(low)), vmovl_s8(vget_low_s8(high)));
    store_scale_steps(to, vmovl_high_s8(low), vmovl_high_s8(high));
}

ALWAYS_INLINE void unpack_q4_k(void *panel, const void *w, int n_cols)
{
    struct panel_q4_k *p = panel;
    const struct tile_q4_k *tile = w;
    const uint8_t *qs = tile->qs[0][0][0];
    int8_t *to = p->w[0][0][0];
    for (const int8_t *end = to + sizeof p->w; to != end;) {
        UNROLL for (int j = 0; j < 4; j++)
        {
            const uint8x16x4_t v = next_u8x4(&qs);
            UNROLL for (int i = 0; i < 4; i += 2)
            {
                uint8x16_t rows[2];
                int8x16_t a[2], b[2];
                row_pairs(rows, v.val[i], v.val[i + 1]);
                unpack_nibbles(a, rows[0]);
                unpack_nibbles(b, rows[1]);
                store_row_pairs(&to, a[0], b[0], a[1], b[1]);
            }
        }
    }
    static const uint8_t columns[2][16] = {
        {0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29},
        {2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31},
    };
    int8x16_t step[2][2];
    UNROLL for (int half = 0; half < 2; half++)
    {
        int8x16_t sc[2], mn[2];
        unpack_s6(sc, mn, tile->s6[half]);
        step[half][0] = vsubq_s8(sc[0], vextq_s8(sc[0], sc[1], 4));
        step[half][1] = vsubq_s8(sc[1], vextq_s8(sc[1], vdupq_n_s8(0), 4));
        const int8x16x2_t mins = {{mn[0], mn[1]}};
        vst1q_s8(p->min[2 * half][0], vqtbl2q_s8(mins, vld1q_u8(columns[0])));
        vst1q_s8(p->min[2 * half + 1][0], vqtbl2q_s8(mins, vld1q_u8(columns[1])));
    }
    uint32_t *steps = p->scale_step[0][0];
    UNROLL for (int i = 0; i < 2; i++)
    {
        const int8x16_t a = step[0][i], b = step[1][i];
        store_two_scale_steps(&steps, vzip1q_s8(a, a), vzip1q_s8(b, b));
        store_two_scale_steps(&steps, vzip2q_s8(a, a), vzip2q_s8(b, b));
    }
    store_halves_twice(&to, vld1q_u16(tile->d));
    store_halves_twice(&to, vld1q_u16(tile->dmin));
}

ALWAYS_INLINE void unpack_q6_k(void *panel, const void *w, int n_cols)
{
    struct panel_q6_k *p = panel;
    const struct tile_q6_k *tile = w;
    int8_t *to = p->w[0][0][0];
    for (int j = 0; j < 16; j++) {
        uint8x16_t rows[2][4];
        UNROLL for (int half = 0; half < 2; half++)
        {
            int8x16_t v[4];
            unpack_six_bits(v, tile->qs[j][half]);
            row_pairs(rows[half], vreinterpretq_u8_s8(v[0]), vreinterpretq_u8_s8(v[1]));
            row_pairs(rows[half] + 2, vreinterpretq_u8_s8(v[2]), vreinterpretq_u8_s8(v[3]));
        }
        UNROLL for (int i = 0; i < 4; i += 2)
        {
            store_row_pairs(&to, vreinterpretq_s8_u8(rows[0][i]),
                            vreinterpretq_s8_u8(rows[0][i + 1]), vreinterpretq_s8_u8(rows[1][i]),
                            vreinterpretq_s8_u8(rows[1][i + 1]));
        }
    }
    uint32_t *step = p->scale_step[0][0];
    int8x16_t sc = vld1q_s8(tile->sc[0]);
    for (int j = 0; j < 16; j += 2) {
        const int8x16_t next = j < 14 ? vld1q_s8(tile->sc[j + 2]) : vdupq_n_s8(0);
        const int8x16_t s0 = vzip1q_s8(sc, sc), s1 = vzip2q_s8(sc, sc), s2 = vzip1q_s8(next, next);
        store_scale_steps(&step, vsubl_s8(vget_low_s8(s0), vget_low_s8(s1)), vsubl_high_s8(s0, s1));
        store_scale_steps(&step, vsubl_s8(vget_low_s8(s1), vget_low_s8(s2)), vsubl_high_s8(s1, s2));
        sc = next;
    }
    store_halves_twice(&to, vld1q_u16(tile->d));
}

// a[pair][row pair] = sum_j scale_j * dot_j; sub_block: columns of a scale. Moves w and x to the
// end of their columns.
ALWAYS_INLINE void scaled_dots(uint32x4_t a[2][4], const int8_t **w, const int8_t **x,
                               const uint32_t *step, int sub_block)
{
    int32x4_t sum[2][4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        sum[0][i] = sum[1][i] = vdupq_n_s32(0);
        a[0][i] = a[1][i] = vdupq_n_u32(0);
    }
    for (const int8_t *end = *w + 8 * QK_K; *w != end;) {
        UNROLL for (int k = 0; k < UNROLLED; k += 16)
        {
            const int8x16x4_t x16 = next_s8x4(x);
            add_pairs(sum, next_s8x4(w), x16.val[0], x16.val[1]);
            add_pairs(sum, next_s8x4(w), x16.val[2], x16.val[3]);
            if ((k + 16) % sub_block == 0) {
                const uint32x4x4_t s = NEXT(&step, vld1q_u32_x4, 16);
                UNROLL for (int i = 0; i < 4; i++)
                {
                    a[0][i] = vmlaq_u32(a[0][i], vreinterpretq_u32_s32(sum[0][i]), s.val[i]);
                    a[1][i] = vmlaq_u32(a[1][i], vreinterpretq_u32_s32(sum[1][i]), s.val[i]);
                }
            }
        }
    }
}

// v[pair][row pair] -= dmin * sum_j min_j * sum of the 32 activations
ALWAYS_INLINE void subtract_mins(float32x4_t v[2][4], float32x4x4_t dmin, int8x16x4_t min,
                                 int8x16x4_t sum)
{
    UNROLL for (int pair = 0; pair < 2; pair++)
    {
        UNROLL for (int i = 0; i < 4; i++)
        {
            int32x4_t m = vmmlaq_s32(vdupq_n_s32(0), min.val[i], sum.val[pair]);
            m = vmmlaq_s32(vshlq_n_s32(m, 6), min.val[i], sum.val[2 + pair]);
            v[pair][i] = vfmsq_f32(v[pair][i], vcvtq_f32_s32(m), dmin.val[i]);
        }
    }
}

// w, x: panel and packed tokens; what follows the columns there is read where that ends.
ALWAYS_INLINE void multiply(float *const acc[GEMM_TOKENS], const int8_t *w, const int8_t *x,
                            const uint32_t *step, int sub_block, bool has_mins)
{
    FORGET_ORIGIN(w); // else parts of the panel leave the loop over the tokens, for the stack
    uint32x4_t a[2][4];
    scaled_dots(a, &w, &x, step, sub_block);
    float32x4_t v[2][4];
    const float32x4x4_t d = next_floats(&w);
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[0][i] = vmulq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(a[0][i])), d.val[i]);
        v[1][i] = vmulq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(a[1][i])), d.val[i]);
    }
    const float32x4_t d_x = vreinterpretq_f32_s8(NEXT(&x, vld1q_s8, 16));
    if (has_mins) {
        const float32x4x4_t dmin = next_floats(&w);
        subtract_mins(v, dmin, next_s8x4(&w), next_s8x4(&x));
    }
    float32x4_t f[GEMM_TOKENS][2];
    tokens_apart(f, v[0]);
    tokens_apart(f + 2, v[1]);
#define ADD_TOKEN(t)                                                                               \
    do {                                                                                           \
        const float32x4_t low = vld1q_f32(acc[t]), high = vld1q_f32(acc[t] + 4);                   \
        const float32x4_t low_sum = vfmaq_laneq_f32(low, f[t][0], d_x, t);                         \
        const float32x4_t high_sum = vfmaq_laneq_f32(high, f[t][1], d_x, t);                       \
        vst1q_f32(acc[t], low_sum);                                                                \
        vst1q_f32(acc[t] + 4, high_sum);                                                           \
    } while (0)
    ADD_TOKEN(0);
    ADD_TOKEN(1);
    ADD_TOKEN(2);
    ADD_TOKEN(3);
#undef ADD_TOKEN
}

ALWAYS_INLINE void multiply_q4_k(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    multiply(acc, panel, packed, ((const struct panel_q4_k *)panel)->scale_step[0][0], 32, true);
}

ALWAYS_INLINE void multiply_q6_k(float *const acc[GEMM_TOKENS], const void *panel,
                                 const void *packed, int n_cols)
{
    multiply(acc, panel, packed, ((const struct panel_q6_k *)panel)->scale_step[0][0], 16, false);
}

GEMM_FUNCTION(gemm_q4_k_i8mm, TYPE_Q4_K, 1, QK_K, tile_q4_k, act_q8_k, panel_q4_k, unpack_q4_k,
              packed_q4_k, pack_q4_k, multiply_q4_k)
GEMM_FUNCTION(gemm_q6_k_i8mm, TYPE_Q6_K, 1, QK_K, tile_q6_k, act_q8_k, panel_q6_k, unpack_q6_k,
              packed_q6_k, pack_q6_k, multiply_q6_k)
