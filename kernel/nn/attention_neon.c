// NEON twin of attention.c. Heads that share keys go through them together, up to four at a time,
// so that a load serves all. In the scores a lane is a key, in the output a lane is an element of
// v: no sum changes its order.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

#define MAX_HEADS 4

// Eight elements of the cache from index i on.
ALWAYS_INLINE float32x4x2_t load8(const void *cache, size_t i, bool f16)
{
    if (f16) {
        return widen_f16(vld1q_u16((const uint16_t *)cache + i));
    }
    return vld1q_f32_x2((const float *)cache + i);
}

ALWAYS_INLINE float load1(const void *cache, size_t i, bool f16)
{
    return f16 ? f16_to_f32(((const uint16_t *)cache)[i]) : ((const float *)cache)[i];
}

// acc[h] += value * factor[h][lane]; a lane number must be a literal.
#define ADD_PRODUCTS(lane, value)                                                                  \
    {                                                                                              \
        const float32x4x2_t eight = value;                                                         \
        UNROLL for (int h = 0; h < n_heads; h++)                                                   \
        {                                                                                          \
            acc[h][0] = vfmaq_laneq_f32(acc[h][0], eight.val[0], factor[h], lane);                 \
            acc[h][1] = vfmaq_laneq_f32(acc[h][1], eight.val[1], factor[h], lane);                 \
        }                                                                                          \
    }

// p[h][0..7] = q[h] . k_i for the keys of one tile: eight of them, wanted or not.
ALWAYS_INLINE void score_tile(float *p, const float *q, const void *k, size_t tile, int head_size,
                              int n_heads, bool f16)
{
    float32x4_t acc[MAX_HEADS][2], factor[MAX_HEADS];
    UNROLL for (int h = 0; h < n_heads; h++)
    {
        acc[h][0] = acc[h][1] = vdupq_n_f32(0);
    }
    int d = 0;
    for (; d + 4 <= head_size; d += 4, tile += 4 * KV_TILE) {
        UNROLL for (int h = 0; h < n_heads; h++)
        {
            factor[h] = vld1q_f32(q + h * head_size + d);
        }
        ADD_PRODUCTS(0, load8(k, tile, f16));
        ADD_PRODUCTS(1, load8(k, tile + KV_TILE, f16));
        ADD_PRODUCTS(2, load8(k, tile + 2 * KV_TILE, f16));
        ADD_PRODUCTS(3, load8(k, tile + 3 * KV_TILE, f16));
    }
    for (; d < head_size; d++, tile += KV_TILE) {
        UNROLL for (int h = 0; h < n_heads; h++)
        {
            factor[h] = vdupq_n_f32(q[h * head_size + d]);
        }
        ADD_PRODUCTS(0, load8(k, tile, f16));
    }
    UNROLL for (int h = 0; h < n_heads; h++)
    {
        vst1q_f32(p + h * ATTENTION_CHUNK, acc[h][0]);
        vst1q_f32(p + h * ATTENTION_CHUNK + 4, acc[h][1]);
    }
}

// out[h][0..7] (+)= sum_i p[h][i] * v_i[0..7]
ALWAYS_INLINE void add_values(float *out, const float *p, int n, const void *v, size_t value,
                              int head_size, int n_heads, bool f16, bool first)
{
    float32x4_t acc[MAX_HEADS][2], factor[MAX_HEADS];
    UNROLL for (int h = 0; h < n_heads; h++)
    {
        acc[h][0] = first ? vdupq_n_f32(0) : vld1q_f32(out + h * head_size);
        acc[h][1] = first ? vdupq_n_f32(0) : vld1q_f32(out + h * head_size + 4);
    }
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        UNROLL for (int h = 0; h < n_heads; h++)
        {
            factor[h] = vld1q_f32(p + h * ATTENTION_CHUNK + i);
        }
        ADD_PRODUCTS(0, load8(v, value, f16));
        value += (size_t)head_size;
        ADD_PRODUCTS(1, load8(v, value, f16));
        value += (size_t)head_size;
        ADD_PRODUCTS(2, load8(v, value, f16));
        value += (size_t)head_size;
        ADD_PRODUCTS(3, load8(v, value, f16));
        value += (size_t)head_size;
    }
    for (; i < n; i++, value += (size_t)head_size) {
        UNROLL for (int h = 0; h < n_heads; h++)
        {
            factor[h] = vdupq_n_f32(p[h * ATTENTION_CHUNK + i]);
        }
        ADD_PRODUCTS(0, load8(v, value, f16));
    }
    UNROLL for (int h = 0; h < n_heads; h++)
    {
        vst1q_f32(out + h * head_size, acc[h][0]);
        vst1q_f32(out + h * head_size + 4, acc[h][1]);
    }
}

// The same for one element of v, where the head's size is no multiple of eight.
ALWAYS_INLINE void add_element(float *out, const float *p, int n, const void *v, size_t value,
                               int head_size, bool f16, bool first)
{
    float acc = first ? 0.0f : *out;
    for (int i = 0; i < n; i++, value += (size_t)head_size) {
        acc = fma_f32(p[i], load1(v, value, f16), acc);
    }
    *out = acc;
}

struct softmax_state {
    float max;
    float32x4_t sum;
};

// p = e^(p - max) of n scores, in whole vectors; the scale for what was summed before.
ALWAYS_INLINE float exp_scores(struct softmax_state *state, float *p, int n, bool first)
{
    for (int i = n; i % 4 != 0; i++) {
        p[i] = p[0]; // a score beyond the last key is anything, even NaN
    }
    float32x4_t m = vld1q_f32(p);
    for (int i = 4; i < n; i += 4) {
        m = vmaxnmq_f32(m, vld1q_f32(p + i));
    }
    const float chunk_max = vmaxnmvq_f32(m);
    const float max = first ? chunk_max : max_f32(state->max, chunk_max);
    float scale = 1.0f;
    if (!first && max != state->max) {
        scale = exp_f32(state->max - max);
        state->sum = vmulq_n_f32(state->sum, scale);
    }
    state->max = max;

    float32x4_t sum = state->sum;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t e = exp_f32x4(vsubq_f32(vld1q_f32(p + i), vdupq_n_f32(max)));
        vst1q_f32(p + i, e);
        sum = vaddq_f32(sum, e);
    }
    if (i < n) {
        const float32x4_t e = exp_f32x4(vsubq_f32(vld1q_f32(p + i), vdupq_n_f32(max)));
        vst1q_f32(p + i, e);
        sum = vaddq_f32(sum, load_tail(p + i, n - i)); // + 0 changes no lane: none is negative
    }
    state->sum = sum;
    return scale;
}

ALWAYS_INLINE void attend(float *out, const float *q, const void *k, const void *v, int n_keys,
                          int n_heads, int head_size, bool f16)
{
    struct softmax_state state[MAX_HEADS];
    float p[MAX_HEADS * ATTENTION_CHUNK];
    UNROLL for (int h = 0; h < n_heads; h++)
    {
        state[h].max = 0.0f;
        state[h].sum = vdupq_n_f32(0);
    }
    for (int start = 0; start < n_keys; start += ATTENTION_CHUNK) {
        const int n = n_keys - start < ATTENTION_CHUNK ? n_keys - start : ATTENTION_CHUNK;
        const bool first = start == 0;
        for (int i = 0; i < n; i += KV_TILE) {
            score_tile(p + i, q, k, (size_t)(start + i) * (size_t)head_size, head_size, n_heads,
                       f16);
        }
        for (int h = 0; h < n_heads; h++) {
            const float scale = exp_scores(&state[h], p + h * ATTENTION_CHUNK, n, first);
            if (scale != 1.0f) {
                vec_scale_neon(out + h * head_size, out + h * head_size, scale, head_size);
            }
        }
        const size_t value = (size_t)start * (size_t)head_size;
        int d = 0;
        for (; d + 8 <= head_size; d += 8) {
            add_values(out + d, p, n, v, value + (size_t)d, head_size, n_heads, f16, first);
        }
        for (; d < head_size; d++) {
            for (int h = 0; h < n_heads; h++) {
                add_element(out + h * head_size + d, p + h * ATTENTION_CHUNK, n, v,
                            value + (size_t)d, head_size, f16, first);
            }
        }
    }
    for (int h = 0; h < n_heads; h++) {
        const float inverse = 1.0f / sum_lanes(state[h].sum);
        vec_scale_neon(out + h * head_size, out + h * head_size, inverse, head_size);
    }
}

ALWAYS_INLINE void attend_all(float *out, const float *q, const void *k, const void *v, int n_keys,
                              int n_heads, int head_size, bool f16)
{
    int h = 0;
    for (; h + 4 <= n_heads; h += 4) {
        attend(out + h * head_size, q + h * head_size, k, v, n_keys, 4, head_size, f16);
    }
    for (; h + 2 <= n_heads; h += 2) {
        attend(out + h * head_size, q + h * head_size, k, v, n_keys, 2, head_size, f16);
    }
    if (h < n_heads) {
        attend(out + h * head_size, q + h * head_size, k, v, n_keys, 1, head_size, f16);
    }
}

void attention_neon(float *out, const float *q, const void *k, const void *v, int n_keys,
                    int n_heads, int head_size, bool kv_f16)
{
    if (kv_f16) {
        attend_all(out, q, k, v, n_keys, n_heads, head_size, true);
    } else {
        attend_all(out, q, k, v, n_keys, n_heads, head_size, false);
    }
}
