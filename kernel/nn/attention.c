// Attention of tokens over the cache, with an online softmax in chunks of absolute positions, so
// that the result does not depend on how a prompt was batched.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/kernels.h"

// Element i of a tile's or a row's elements, which follow the scales; scale: that of its block.
static float element(const uint8_t *elements, int i, const uint8_t *scale, int type)
{
    switch (type) {
    case KV_TYPE_Q8_0: // exact: 11 bits by 7
        return f16_to_f32(*(const uint16_t *)scale) * (float)((const int8_t *)elements)[i];
    case KV_TYPE_F16:
        return f16_to_f32(((const uint16_t *)elements)[i]);
    default:
        return ((const float *)elements)[i];
    }
}

static float k_element(const uint8_t *k, int t, int d, int head_size, int type)
{
    const uint8_t *tile = k + (size_t)(t / KV_TILE) * kv_tile_bytes(type, head_size);
    const uint8_t *scale = tile + 2 * (d / KV_BLOCK * KV_TILE + t % KV_TILE);
    const uint8_t *elements = tile + KV_TILE * kv_scales_bytes(type, head_size);
    return element(elements, d * KV_TILE + t % KV_TILE, scale, type);
}

static float v_element(const uint8_t *v, int t, int d, int head_size, int type)
{
    const uint8_t *row = v + (size_t)t * kv_row_bytes(type, head_size);
    return element(row + kv_scales_bytes(type, head_size), d, row + 2 * (d / KV_BLOCK), type);
}

// q . k_t, summed in the order of d.
static float score(const float *q, const void *k, int t, int head_size, int type)
{
    float s = 0.0f;
    for (int d = 0; d < head_size; d++) {
        s = fma_f32(q[d], k_element(k, t, d, head_size, type), s);
    }
    return s;
}

// o = sum_t p_t v_t / sum_t p_t,  p_t = e^(s_t - max), for keys first .. n_keys - 1. When a chunk
// raises the maximum, what was summed before is scaled down to it. The sum of p is kept in four
// lanes t % 4.
static void attend(float *o, const float *q, const void *k, const void *v, int first, int n_keys,
                   float cap, int head_size, int type)
{
    float max = 0.0f;
    float sum[4] = {0};
    for (int d = 0; d < head_size; d++) {
        o[d] = 0.0f;
    }
    const int start = first / ATTENTION_CHUNK * ATTENTION_CHUNK;
    for (int chunk = start; chunk < n_keys; chunk += ATTENTION_CHUNK) {
        const int begin = first > chunk ? first - chunk : 0;
        const int n = n_keys - chunk < ATTENTION_CHUNK ? n_keys - chunk : ATTENTION_CHUNK;
        float p[ATTENTION_CHUNK] = {0};
        for (int i = begin; i < n; i++) {
            p[i] = score(q, k, chunk + i, head_size, type);
        }
        if (cap != 0.0f) {
            vec_softcap(p + begin, p + begin, cap, n - begin);
        }
        float new_max = chunk == start ? p[begin] : max;
        for (int i = begin; i < n; i++) {
            new_max = max_f32(new_max, p[i]);
        }
        if (chunk != start && new_max != max) {
            const float scale = exp_f32(max - new_max);
            for (int j = 0; j < 4; j++) {
                sum[j] = sum[j] * scale;
            }
            for (int d = 0; d < head_size; d++) {
                o[d] = o[d] * scale;
            }
        }
        max = new_max;
        for (int i = begin; i < n; i++) {
            p[i] = exp_f32(p[i] - max);
            sum[i % 4] = sum[i % 4] + p[i];
            for (int d = 0; d < head_size; d++) {
                o[d] = fma_f32(p[i], v_element(v, chunk + i, d, head_size, type), o[d]);
            }
        }
    }
    const float inverse = 1.0f / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (int d = 0; d < head_size; d++) {
        o[d] = o[d] * inverse;
    }
}

static void attend_all(float *out, const float *q, int stride, const void *k, const void *v,
                       int n_keys, int n_tokens, int n_heads, int head_size, int window, float cap,
                       int type)
{
    for (int t = 0; t < n_tokens; t++, n_keys++, out += stride, q += stride) {
        const int first = n_keys > window ? n_keys - window : 0;
        for (int h = 0; h < n_heads; h++) {
            attend(out + h * head_size, q + h * head_size, k, v, first, n_keys, cap, head_size,
                   type);
        }
    }
}

#define ATTENTION(name, type)                                                                      \
    void attention_##name(float *out, const float *q, int stride, const void *k, const void *v,    \
                          int n_keys, int n_tokens, int n_heads, int head_size)                    \
    {                                                                                              \
        attend_all(out, q, stride, k, v, n_keys, n_tokens, n_heads, head_size, n_keys + n_tokens,  \
                   0.0f, type);                                                                    \
    }                                                                                              \
    void attention_window_##name(float *out, const float *q, int stride, const void *k,            \
                                 const void *v, int n_keys, int n_tokens, int n_heads,             \
                                 int head_size, int window, float cap)                             \
    {                                                                                              \
        attend_all(out, q, stride, k, v, n_keys, n_tokens, n_heads, head_size, window, cap, type); \
    }

void attention_around_f32(float *out, const float *q, int stride, const void *k, const void *v,
                          int pos, int n_keys, int n_tokens, int n_heads, int head_size, int reach)
{
    for (int t = pos; t < pos + n_tokens; t++, out += stride, q += stride) {
        const int first = t > reach ? t - reach : 0;
        const int end = n_keys - t > reach ? t + reach + 1 : n_keys;
        for (int h = 0; h < n_heads; h++) {
            attend(out + h * head_size, q + h * head_size, k, v, first, end, 0.0f, head_size,
                   KV_TYPE_F32);
        }
    }
}

ATTENTION(f16, KV_TYPE_F16)
ATTENTION(f32, KV_TYPE_F32)
ATTENTION(q8_0, KV_TYPE_Q8_0)
