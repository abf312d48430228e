// Attention of tokens over the cache, with an online softmax in chunks of absolute positions, so
// that the result does not depend on how a prompt was batched.
#include "lib/f16.h"
#include "lib/math.h"
#include "nn/kernels.h"

typedef float element_function(const void *cache, int64_t i);

static float f16_element(const void *cache, int64_t i)
{
    return f16_to_f32(((const uint16_t *)cache)[i]);
}

static float f32_element(const void *cache, int64_t i)
{
    return ((const float *)cache)[i];
}

// q . k_t, summed in the order of d.
static float score(const float *q, const void *k, int t, int head_size, element_function *element)
{
    const int64_t key = (int64_t)(t / KV_TILE) * head_size * KV_TILE + t % KV_TILE;
    float s = 0.0f;
    for (int d = 0; d < head_size; d++) {
        s = fma_f32(q[d], element(k, key + d * KV_TILE), s);
    }
    return s;
}

// o = sum_t p_t v_t / sum_t p_t,  p_t = e^(s_t - max). When a chunk raises the maximum, what was
// summed before is scaled down to it. The sum of p is kept in four lanes t % 4.
static void attend(float *o, const float *q, const void *k, const void *v, int n_keys,
                   int head_size, element_function *element)
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
            p[i] = score(q, k, first + i, head_size, element);
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
            const int64_t value = (int64_t)(first + i) * head_size;
            for (int d = 0; d < head_size; d++) {
                o[d] = fma_f32(p[i], element(v, value + d), o[d]);
            }
        }
    }
    const float inverse = 1.0f / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (int d = 0; d < head_size; d++) {
        o[d] = o[d] * inverse;
    }
}

#define ATTENTION(type)                                                                            \
    void attention_##type(float *out, const float *q, int stride, const void *k, const void *v,    \
                          int n_keys, int n_tokens, int n_heads, int head_size)                    \
    {                                                                                              \
        for (int t = 0; t < n_tokens; t++, out += stride, q += stride) {                           \
            for (int h = 0; h < n_heads; h++) {                                                    \
                attend(out + h * head_size, q + h * head_size, k, v, n_keys + t, head_size,        \
                       type##_element);                                                            \
            }                                                                                      \
        }                                                                                          \
    }
ATTENTION(f16)
ATTENTION(f32)
