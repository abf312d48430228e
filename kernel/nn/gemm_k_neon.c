// GEMM of types in blocks of 256 with SMLAL: int16 sums of one sub-block, reduced over the lanes
// for four rows at once, then scaled into int32.
//
// The panel holds rows, not column groups: a vector of activations then meets 16 columns of a row
// as it is, and no instruction repeats four activations.
#include "nn/activation.h"
#include "nn/gemm_tokens_neon.h"
#include "nn/gemm_unpack_neon.h"
#include "nn/kernels.h"

// 256 columns of eight rows.
struct panel {
    int8_t w[2][16][4][16];  // [half of the rows][16 columns][row][column]
    int16_t scale[2][16][8]; // [half][sub-block]: s0 s0 s1 s1 s2 s2 s3 s3; IQ4_XS: int32 s0 .. s3
    int16_t min[16][8];      // [sub-block][row]
    int16_t lack[8][8];      // [sub-block][row]: of Q5_K, whose quants are taken 16 too small
    float d[8], dmin[8];
};

// Scales of four sub-blocks, bytes 4 * j + r.
ALWAYS_INLINE void store_scales(int16_t scale[4][8], int8x16_t bytes)
{
    const int8x16_t low = vzip1q_s8(bytes, bytes), high = vzip2q_s8(bytes, bytes);
    vst1q_s16(scale[0], vmovl_s8(vget_low_s8(low)));
    vst1q_s16(scale[1], vmovl_high_s8(low));
    vst1q_s16(scale[2], vmovl_s8(vget_low_s8(high)));
    vst1q_s16(scale[3], vmovl_high_s8(high));
}

// Of Q4_K and Q5_K.
ALWAYS_INLINE void unpack_s6_tile(struct panel *p, const struct tile_q4_k *tile, bool with_lack)
{
    int8x16_t sc[2][2], mn[2][2];
    UNROLL for (int half = 0; half < 2; half++)
    {
        unpack_s6(sc[half], mn[half], tile->s6[half]);
        store_scales(p->scale[half], sc[half][0]);
        store_scales(p->scale[half] + 4, sc[half][1]);
    }
    unpack_mins(p->min, mn[0], mn[1]);
    if (with_lack) {
        unpack_mins(p->lack, sc[0], sc[1]);
        UNROLL for (int j = 0; j < 8; j++)
        {
            vst1q_s16(p->lack[j], vshlq_n_s16(vld1q_s16(p->lack[j]), 4));
        }
    }
    unpack_halves(p->d, tile->d);
    unpack_halves(p->dmin, tile->dmin);
}

ALWAYS_INLINE void unpack_q4_k(void *panel, const void *w, int n_cols)
{
    struct panel *p = panel;
    const struct tile_q4_k *tile = w;
    const uint8_t *qs = tile->qs[0][0][0];
    for (int i = 0; i < 16; i++, qs += 64) {
        int8x16_t rows[4], v[2];
        load_rows(rows, qs);
        UNROLL for (int r = 0; r < 4; r++)
        {
            unpack_nibbles(v, vreinterpretq_u8_s8(rows[r]));
            vst1q_s8(p->w[0][i][r], v[0]);
            vst1q_s8(p->w[1][i][r], v[1]);
        }
    }
    unpack_s6_tile(p, tile, false);
}

// 16 columns after the other, as unpack_columns() takes them.
ALWAYS_INLINE void unpack_quants(struct panel *p, uint32_t type, const void *tile)
{
    for (int j = 0; j < 16; j += 2) {
        UNROLL for (int i = 0; i < 2; i++)
        {
            int8x16_t v[2][4];
            unpack_columns(v, type, tile, j + i);
            transpose_groups(v[0]);
            transpose_groups(v[1]);
            UNROLL for (int r = 0; r < 4; r++)
            {
                vst1q_s8(p->w[0][j + i][r], v[0][r]);
                vst1q_s8(p->w[1][j + i][r], v[1][r]);
            }
        }
    }
}

ALWAYS_INLINE void unpack_q5_k(void *panel, const void *w, int n_cols)
{
    unpack_quants(panel, TYPE_Q5_K, w);
    unpack_s6_tile(panel, w, true); // a tile of Q5_K begins like one of Q4_K
}

// Scales of eight rows.
ALWAYS_INLINE void store_row_scales(struct panel *p, int j, int8x8_t scales, bool wide)
{
    if (wide) {
        const int16x8_t s = vmovl_s8(scales);
        vst1q_s16(p->scale[0][j], vreinterpretq_s16_s32(vmovl_s16(vget_low_s16(s))));
        vst1q_s16(p->scale[1][j], vreinterpretq_s16_s32(vmovl_high_s16(s)));
    } else {
        vst1q_s16(p->scale[0][j], vmovl_s8(vzip1_s8(scales, scales)));
        vst1q_s16(p->scale[1][j], vmovl_s8(vzip2_s8(scales, scales)));
    }
}

// Of types with scales [sub-block][row].
ALWAYS_INLINE void unpack_type(uint32_t type, struct panel *p, const void *tile)
{
    int8x16_t sc[8];
    unpack_quants(p, type, tile);
    const int n = unpack_scales(sc, type, tile);
    UNROLL for (int j = 0; j < n; j++)
    {
        store_row_scales(p, 2 * j, vget_low_s8(sc[j]), type == TYPE_IQ4_XS);
        store_row_scales(p, 2 * j + 1, vget_high_s8(sc[j]), type == TYPE_IQ4_XS);
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
            transpose_groups(v);
            UNROLL for (int r = 0; r < 4; r++)
            {
                vst1q_s8(p->w[half][j][r], v[r]);
            }
        }
    }
    for (int j = 0; j < 16; j += 2) { // bytes 8 * j + r
        const int32x4_t sc = vreinterpretq_s32_s8(vld1q_s8(tile->sc[j]));
        const int8x16_t rows = vreinterpretq_s8_s32(vuzp1q_s32(sc, sc));
        const int8x16_t high = vreinterpretq_s8_s32(vuzp2q_s32(sc, sc));
        const int8x16_t low2 = vzip1q_s8(rows, rows), high2 = vzip1q_s8(high, high);
        vst1q_s16(p->scale[0][j], vmovl_s8(vget_low_s8(low2)));
        vst1q_s16(p->scale[0][j + 1], vmovl_high_s8(low2));
        vst1q_s16(p->scale[1][j], vmovl_s8(vget_low_s8(high2)));
        vst1q_s16(p->scale[1][j + 1], vmovl_high_s8(high2));
    }
    unpack_halves(p->d, tile->d);
}

// a[row] = sum_j scale_j * dot_j of one token; two lanes a row until the end, or (IQ4_XS) one.
struct sums {
    int32x4_t a0, a1; // rows 0 0 1 1 and 2 2 3 3
};

// Four rows' lanes added up to two per row, times the scale.
// Q5_K: four products a lane, 4 * 16 * 127 * 4 = 32512; Q6_K: two, 2 * 32 * 127 * 4 = 32512; the
// others are smaller.
ALWAYS_INLINE void add_scaled(struct sums *s, const int16x8_t dot[4], int16x8_t scale)
{
    const int16x8_t sum = vpaddq_s16(vpaddq_s16(dot[0], dot[1]), vpaddq_s16(dot[2], dot[3]));
    s->a0 = vmlal_s16(s->a0, vget_low_s16(sum), vget_low_s16(scale));
    s->a1 = vmlal_high_s16(s->a1, sum, scale);
}

ALWAYS_INLINE int16x8_t dot16(int8x16_t w, int8x16_t x)
{
    return vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x);
}

ALWAYS_INLINE int16x8_t add_dot16(int16x8_t dot, int8x16_t w, int8x16_t x)
{
    return vmlal_high_s8(vmlal_s8(dot, vget_low_s8(w), vget_low_s8(x)), w, x);
}

// Of weights of eight bits two products fit a lane: 2 * 127 * 127 = 32258.
ALWAYS_INLINE void add_scaled_bytes(struct sums *s, const int8x16_t w0[4], const int8x16_t w1[4],
                                    int8x16_t x0, int8x16_t x1, int32x4_t scale)
{
    int32x4_t sum[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        sum[r] = vpadalq_s16(vpaddlq_s16(dot16(w0[r], x0)), dot16(w1[r], x1));
    }
    const int32x4_t dot = vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3]));
    s->a0 = vmlaq_s32(s->a0, dot, scale);
}

// 32 columns of four rows for all tokens: one sub-block or two.
ALWAYS_INLINE void add_columns(struct sums sums[GEMM_TOKENS], const int8_t (*w)[4][16],
                               const int16_t (*scale)[8], const int8_t *q[GEMM_TOKENS],
                               int sub_block, bool bytes)
{
    int8x16_t w0[4], w1[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        w0[r] = vld1q_s8(w[0][r]);
        w1[r] = vld1q_s8(w[1][r]);
    }
    const int16x8_t s0 = vld1q_s16(scale[0]), s1 = sub_block == 16 ? vld1q_s16(scale[1]) : s0;
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        const int8x16_t x0 = vld1q_s8(q[t]), x1 = vld1q_s8(q[t] + 16);
        int16x8_t dot[4];
        if (bytes) {
            add_scaled_bytes(&sums[t], w0, w1, x0, x1, vreinterpretq_s32_s16(s0));
        } else {
            UNROLL for (int r = 0; r < 4; r++)
            {
                dot[r] = dot16(w0[r], x0);
                if (sub_block == 32) {
                    dot[r] = add_dot16(dot[r], w1[r], x1);
                }
            }
            add_scaled(&sums[t], dot, s0);
        }
        if (sub_block == 16) {
            UNROLL for (int r = 0; r < 4; r++)
            {
                dot[r] = dot16(w1[r], x1);
            }
            add_scaled(&sums[t], dot, s1);
        }
        if (t + 1 < GEMM_TOKENS) {
            COMPUTE_BEFORE(sums[t].a0, q[t + 1]); // all tokens at once would not fit registers
        }
    }
}

// a[t] = sum_j scale_j * dot_j of four rows.
ALWAYS_INLINE void scaled_dots(int32x4_t a[GEMM_TOKENS], const struct panel *p, int half,
                               const uint8_t *const *x, int sub_block, bool bytes)
{
    struct sums sums[GEMM_TOKENS];
    const int8_t *q[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        q[t] = ((const struct act_q8_k *)x[t])->q;
        sums[t].a0 = sums[t].a1 = vdupq_n_s32(0);
    }
    const int8_t(*w)[4][16] = p->w[half];
    const int16_t(*scale)[8] = p->scale[half];
    FORGET_ORIGIN(w); // else the panel's loads leave the loop over the tokens, for the stack
    for (const int8_t(*end)[4][16] = w + 16; w != end; w += 2) {
        add_columns(sums, w, scale, q, sub_block, bytes);
        scale += 32 / sub_block;
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            q[t] += 32;
        }
    }
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        a[t] = bytes ? sums[t].a0 : vpaddq_s32(sums[t].a0, sums[t].a1);
    }
}

// sum_j min_j * sums[j] of the half's rows, eight sub-blocks.
ALWAYS_INLINE int32x4_t dot_mins(const int16_t (*mins)[8], int half, int16x8_t sums)
{
    int32x4_t m = vmull_laneq_s16(vld1_s16(mins[0] + 4 * half), sums, 0);
    m = vmlal_laneq_s16(m, vld1_s16(mins[1] + 4 * half), sums, 1);
    m = vmlal_laneq_s16(m, vld1_s16(mins[2] + 4 * half), sums, 2);
    m = vmlal_laneq_s16(m, vld1_s16(mins[3] + 4 * half), sums, 3);
    m = vmlal_laneq_s16(m, vld1_s16(mins[4] + 4 * half), sums, 4);
    m = vmlal_laneq_s16(m, vld1_s16(mins[5] + 4 * half), sums, 5);
    m = vmlal_laneq_s16(m, vld1_s16(mins[6] + 4 * half), sums, 6);
    return vmlal_laneq_s16(m, vld1_s16(mins[7] + 4 * half), sums, 7);
}

ALWAYS_INLINE void multiply(float *const acc[GEMM_TOKENS], const struct panel *p,
                            const struct token_pointers *packed, uint32_t type)
{
    const uint8_t *const *x = packed->token;
    for (int half = 0; half < 2; half++) {
        int32x4_t a[GEMM_TOKENS];
        scaled_dots(a, p, half, x, tile_sub_block(type), type == TYPE_IQ4_XS);
        const float32x4_t d = vld1q_f32(p->d + 4 * half), dmin = vld1q_f32(p->dmin + 4 * half);
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
        {
            const struct act_q8_k *token = (const struct act_q8_k *)x[t];
            const int16x8_t b0 = vld1q_s16(token->bsum), b1 = vld1q_s16(token->bsum + 8);
            const int16x8_t sums = tile_sub_block(type) == 16 ? b0 : vpaddq_s16(b0, b1);
            if (type == TYPE_Q5_K) {
                a[t] = vaddq_s32(a[t], dot_mins(p->lack, half, sums));
            }
            float32x4_t f = vmulq_f32(vcvtq_f32_s32(a[t]), d);
            if (tile_has_min(type)) {
                int32x4_t m = dot_mins(p->min, half, sums);
                if (tile_sub_block(type) == 16) {
                    m = vaddq_s32(m, dot_mins(p->min + 8, half, b1));
                }
                f = vfmsq_f32(f, vcvtq_f32_s32(m), dmin);
            }
            float *sum = acc[t] + 4 * half;
            vst1q_f32(sum, vfmaq_n_f32(vld1q_f32(sum), f, token->d));
        }
    }
}

#define GEMM(name, type)                                                                           \
    ALWAYS_INLINE void multiply_##name(float *const acc[GEMM_TOKENS], const void *panel,           \
                                       const void *packed, int n_cols)                             \
    {                                                                                              \
        multiply(acc, panel, packed, type);                                                        \
    }                                                                                              \
    GEMM_FUNCTION(gemm_##name##_neon, type, 1, QK_K, tile_##name, act_q8_k, panel, unpack_##name,  \
                  token_pointers, pack_pointers, multiply_##name)
GEMM(q2_k, TYPE_Q2_K)
GEMM(q3_k, TYPE_Q3_K)
GEMM(q4_k, TYPE_Q4_K)
GEMM(q5_k, TYPE_Q5_K)
GEMM(q6_k, TYPE_Q6_K)
GEMM(iq4_xs, TYPE_IQ4_XS)
