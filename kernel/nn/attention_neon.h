// How attention_neon.c reads the cache: eight elements as floats, whatever they are stored as.
#pragma once

#include "lib/f16.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

enum kv_type { KV_TYPE_F32, KV_TYPE_F16 };

// Floats of queries, and of their results: eight rows of heads of 128, or four of 256.
#define MAX_PACKED (4 * ATTENTION_MAX_HEAD)

// Query rows that go together: 8, 4, 2 or 1.
ALWAYS_INLINE int rows_at_once(int n, int head_size)
{
    int n_rows = 8;
    while (n_rows > 1 && (n_rows > n || n_rows * (head_size + 7 & ~7) > MAX_PACKED)) {
        n_rows /= 2;
    }
    return n_rows;
}

// Bytes of one element of the keys of a tile.
ALWAYS_INLINE size_t k_step(enum kv_type type)
{
    return type == KV_TYPE_F16 ? KV_TILE * sizeof(uint16_t) : KV_TILE * sizeof(float);
}

ALWAYS_INLINE size_t k_tile_bytes(int head_size, enum kv_type type)
{
    return (size_t)head_size * k_step(type);
}

ALWAYS_INLINE size_t v_offset(int d, enum kv_type type)
{
    return (size_t)d * (type == KV_TYPE_F16 ? sizeof(uint16_t) : sizeof(float));
}

ALWAYS_INLINE size_t v_row_bytes(int head_size, enum kv_type type)
{
    return v_offset(head_size, type);
}

ALWAYS_INLINE float32x4x2_t load8(const uint8_t *p, enum kv_type type)
{
    if (type == KV_TYPE_F16) {
        return widen_f16(vld1q_u16((const uint16_t *)p));
    }
    return (float32x4x2_t){{vld1q_f32((const float *)p), vld1q_f32((const float *)p + 4)}};
}

// Element d of a row of v.
ALWAYS_INLINE float load1(const uint8_t *row, int d, enum kv_type type)
{
    const uint8_t *p = row + v_offset(d, type);
    return type == KV_TYPE_F16 ? f16_to_f32(*(const uint16_t *)p) : *(const float *)p;
}
