// Attention over caches of every type; part of selftest.c, whose arrays and report it uses.
#pragma once

#define MAX_KV 10240 // elements of k and of v

union cache {
    float f32[MAX_KV];
    uint16_t f16[MAX_KV];
    uint8_t bytes[6 * MAX_KV]; // as many as weights of products need
};
#if __STDC_HOSTED__
static _Alignas(64) union cache caches[2];
#else // an image has 256 KiB for code and data: here they lie where the product's KV cache would
#include "gen/layout.h"
static_assert(2 * sizeof(union cache) <= REGION_KV_CACHE_SIZE, "both caches fit");
#define caches ((union cache *)(void *)__kv_cache_start)
#endif
#define keys   (&caches[0])
#define values (&caches[1])

// growing: so that the scores do, and every chunk raises the maximum.
static void fill_cache(union cache *cache, int type, bool growing)
{
    for (int i = 0; i < MAX_KV; i++) {
        const float x = growing ? (float)i / MAX_KV : random_float();
        if (type == KV_TYPE_Q8_0) {
            cache->bytes[i] = growing ? (uint8_t)(i / (MAX_KV / 128)) : (uint8_t)random_u32();
        } else if (type == KV_TYPE_F16) {
            cache->f16[i] = f32_to_f16(x);
        } else {
            cache->f32[i] = x;
        }
    }
}

// Scales that are numbers, at the beginning of every span (a tile of keys, a row of a value).
static void fill_scales(union cache *cache, size_t span, size_t scales_bytes)
{
    for (size_t start = 0; start + span <= MAX_KV && scales_bytes > 0; start += span) {
        for (size_t i = 0; i < scales_bytes; i += 2) {
            const uint16_t half = random_half();
            memcpy(cache->bytes + start + i, &half, sizeof half);
        }
    }
}

// What lies behind the last key must not show: bytes that are NaN in any type.
static void poison_keys(int n_keys, int head_size, int type)
{
    const size_t element = kv_element_bytes(type), scales = kv_scales_bytes(type, head_size);
    const size_t n_tiles = (size_t)(n_keys + KV_TILE - 1) / KV_TILE;
    uint8_t *tile = keys->bytes + (n_tiles - 1) * kv_tile_bytes(type, head_size);
    for (int t = n_keys % KV_TILE; t != 0 && t < KV_TILE; t++) {
        for (size_t i = 0; i < scales / 2; i++) {
            memset(tile + 2 * (i * KV_TILE + (size_t)t), 0xff, 2);
        }
        for (size_t d = 0; d < (size_t)head_size; d++) {
            memset(tile + KV_TILE * scales + element * (d * KV_TILE + (size_t)t), 0xff, element);
        }
    }
    const size_t k_end = n_tiles * kv_tile_bytes(type, head_size);
    const size_t v_end = (size_t)n_keys * kv_row_bytes(type, head_size);
    memset(keys->bytes + k_end, 0xff, sizeof *keys - k_end);
    memset(values->bytes + v_end, 0xff, sizeof *values - v_end);
}

struct attention_case {
    int head_size, n_heads, n_tokens, n_keys, stride;
};

// Heads of 1 .. 256 elements, 1 .. 8 of them for a kv head, several tokens at once; fills both
// caches and, in a, the queries.
static struct attention_case random_attention(int i, int type)
{
    static const uint8_t usual_sizes[] = {8, 16, 32, 48, 64, 80, 96, 128};
    const int head_size = i < 8             ? ATTENTION_MAX_HEAD - i
                          : random_below(2) ? usual_sizes[random_below(8)]
                                            : 1 + random_below(80);
    const int max_keys = MAX_KV / (head_size + 18) / KV_TILE * KV_TILE; // with scales
    const int max_rows = MAX_FLOATS / head_size;
    const int n_heads = 1 + random_below(max_rows < 8 ? max_rows : 8);
    const int max_tokens = max_rows / n_heads < max_keys ? max_rows / n_heads : max_keys;
    const int n_tokens = random_below(2) ? 1 : 1 + random_below(max_tokens < 9 ? max_tokens : 9);
    const int most = 1 + max_keys - n_tokens;
    const int n_keys = 1 + random_below(most < 260 ? most : 260);
    const int stride = n_heads * head_size;
    random_floats(a, n_tokens * stride);
    fill_cache(keys, type, i % 5 == 0);
    fill_cache(values, type, false);
    const size_t scales = kv_scales_bytes(type, head_size);
    fill_scales(keys, kv_tile_bytes(type, head_size), KV_TILE * scales);
    fill_scales(values, kv_row_bytes(type, head_size), scales);
    if (i % 7 == 0) { // scores that are no numbers; values stay finite, and so does the output
        poison(a, n_tokens * stride);
    } else if (i % 7 == 1 && type == KV_TYPE_F32) {
        poison(keys->f32, MAX_KV);
    }
    return (struct attention_case){head_size, n_heads, n_tokens, n_keys, stride};
}

typedef void attention_function(float *, const float *, int, const void *, const void *, int, int,
                                int, int);

static void test_attention(const char *name, attention_function *plain, attention_function *neon,
                           int type)
{
    begin(name);
    for (int i = 0; i < 400; i++) {
        const struct attention_case c = random_attention(i, type);
        plain(want, a, c.stride, keys, values, c.n_keys, c.n_tokens, c.n_heads, c.head_size);
        poison_keys(c.n_keys + c.n_tokens - 1, c.head_size, type);
        neon(got, a, c.stride, keys, values, c.n_keys, c.n_tokens, c.n_heads, c.head_size);
        compare_out(c.head_size, c.n_keys);
    }
    end();
}

typedef void attention_window_function(float *, const float *, int, const void *, const void *, int,
                                       int, int, int, int, float);

// Windows of one key to more than there are, scores capped or not.
static void test_attention_window(const char *name, attention_window_function *plain,
                                  attention_window_function *neon, int type)
{
    begin(name);
    for (int i = 0; i < 400; i++) {
        const struct attention_case c = random_attention(i, type);
        const int window = 1 + random_below(i % 3 == 0 ? 12 : c.n_keys + c.n_tokens + 3);
        const float cap = i % 4 < 2 ? 0.0f : 0.5f + (float)random_below(50);
        plain(want, a, c.stride, keys, values, c.n_keys, c.n_tokens, c.n_heads, c.head_size, window,
              cap);
        poison_keys(c.n_keys + c.n_tokens - 1, c.head_size, type);
        neon(got, a, c.stride, keys, values, c.n_keys, c.n_tokens, c.n_heads, c.head_size, window,
             cap);
        compare_out(c.head_size, window);
    }
    end();
}

// Whole texts, of which some tokens are asked for; reaches of no neighbour to more than there are.
static void test_attention_around(void)
{
    begin("attention_around_f32");
    for (int i = 0; i < 400; i++) {
        const struct attention_case c = random_attention(i, KV_TYPE_F32);
        const int n_keys = c.n_keys + c.n_tokens - 1, pos = random_below(n_keys - c.n_tokens + 1);
        const int reach = i % 3 == 0 ? random_below(12) : random_below(n_keys + 3);
        attention_around_f32(want, a, c.stride, keys, values, pos, n_keys, c.n_tokens, c.n_heads,
                             c.head_size, reach);
        poison_keys(n_keys, c.head_size, KV_TYPE_F32);
        attention_around_f32_neon(got, a, c.stride, keys, values, pos, n_keys, c.n_tokens,
                                  c.n_heads, c.head_size, reach);
        compare_out(c.head_size, n_keys);
    }
    end();
}

#define TEST_ATTENTION(type)                                                                       \
    test_attention("attention_" #type, attention_##type, attention_##type##_neon, TYPE_OF_##type); \
    test_attention_window("attention_window_" #type, attention_window_##type,                      \
                          attention_window_##type##_neon, TYPE_OF_##type)
#define TYPE_OF_f16  KV_TYPE_F16
#define TYPE_OF_f32  KV_TYPE_F32
#define TYPE_OF_q8_0 KV_TYPE_Q8_0
