// How keys and values lie in the cache, by its type.
//
// Keys: tiles of KV_TILE positions, [scales][head_size][KV_TILE] elements, so that a vector lane is
// a key. Values: rows of a position, [scales][head_size] elements. Only q8_0 has scales, halves:
// [block][KV_TILE] before a tile, [block] before a row.
#pragma once

#include "lib/types.h"

#define KV_TYPE_F32  0
#define KV_TYPE_F16  1
#define KV_TYPE_Q8_0 2 // int8 times a scale; a head is cut into blocks, the last may be shorter

#define KV_TILE  8  // positions interleaved
#define KV_BLOCK 32 // elements of a head that share a scale

static inline size_t kv_element_bytes(int type)
{
    return type == KV_TYPE_Q8_0 ? 1 : type == KV_TYPE_F16 ? 2 : 4;
}

// Of one position.
static inline size_t kv_scales_bytes(int type, int head_size)
{
    const int n_blocks = (head_size + KV_BLOCK - 1) / KV_BLOCK;
    return type == KV_TYPE_Q8_0 ? 2 * (size_t)n_blocks : 0;
}

// The key or the value of one position; even, so that the next one's scales are aligned.
static inline size_t kv_row_bytes(int type, int head_size)
{
    const size_t elements = (size_t)head_size * kv_element_bytes(type);
    return kv_scales_bytes(type, head_size) + ((elements + 1) & ~(size_t)1);
}

static inline size_t kv_tile_bytes(int type, int head_size)
{
    return KV_TILE * kv_row_bytes(type, head_size);
}
