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

// o = sum_t p_t v_t / sum_t p_t,  p_t = e^(s_t - max). When a chunk raises the maximum, what was
// summed before is scaled down to it. The sum of p is kept in four lanes t % 4.
static void attend(float *o, const float *q, const void *k, const void *v, int n_keys,
                   int head_size, int type)
{
    float max = 0.0f;
    float sum[4] = {0};
    for (int d = 0; d < head_size; d++) {
        o[d] = 0.0f;
    }
    for (int first = 0; first < n_keys; first += ATTENTION_CHUNK) {
        const int n = n_keys - first < ATTENTION_CHUNK ? n_keys - first : ATTENTION_CHUNK;
        float p[ATTENTION_CHUNK];
        for (int i = 0; i < n; i++) {
            p[i] = score(q, k, first + i, head_size, type);
        }
        float new_max = first == 0 ? p[0] : max;
        for (int i = 0; i < n; i++) {
            new_max = max_f32(new_max, p[i]);
        }
        if (first != 0 && new_max != max) {
            const float scale = exp_f32(max - new_max);
            for (int j = 0; j < 4; j++) {
                sum[j] = sum[j] * scale;
            }
            for (int d = 0; d < head_size; d++) {
                o[d] = o[d] * scale;
            }
        }
        max = new_max;
        for (int i = 0; i < n; i++) {
            p[i] = exp_f32(p[i] - max);
            sum[i % 4] = sum[i % 4] + p[i];
            for (int d = 0; d < head_size; d++) {
                o[d] = fma_f32(p[i], v_element(v, first + i, d, head_size, type), o[d]);
            }
        }
    }
    const float inverse = 1.0f / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (int d = 0; d < head_size; d++) {
        o[d] = o[d] * inverse;
    }
}

#define ATTENTION(name, type)                                                                      \
    void attention_##name(float *out, const float *q, int stride, const void *k, const void *v,    \
                          int n_keys, int n_tokens, int n_heads, int head_size)                    \
    {                                                                                              \
        for (int t = 0; t < n_tokens; t++, out += stride, q += stride) {                           \
            for (int h = 0; h < n_heads; h++) {                                                    \
                attend(out + h * head_size, q + h * head_size, k, v, n_keys + t, head_size, type); \
            }                                                                                      \
        }                                                                                          \
    }
ATTENTION(f16, KV_TYPE_F16)
ATTENTION(f32, KV_TYPE_F32)
ATTENTION(q8_0, KV_TYPE_Q8_0)
