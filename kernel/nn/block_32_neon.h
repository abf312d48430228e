// The float part of a block of 32 columns, for all its mat-vecs.
#pragma once

#include "nn/activation.h"
#include "nn/simd_neon.h"

// acc of four rows, given a = sum q_w * q_x: matvec_32.c.
ALWAYS_INLINE float32x4_t add_block_32(float32x4_t acc, int32x4_t a, float32x4_t d, float32x4_t m,
                                       const struct act_q8_0 *x, bool has_min)
{
    const float32x4_t sum = vcvtq_f32_s32(a);
    if (!has_min) {
        return vfmaq_f32(acc, sum, vmulq_n_f32(d, x->d));
    }
    const float32x4_t f = vfmaq_n_f32(vmulq_f32(sum, d), m, (float)x->sum);
    return vfmaq_n_f32(acc, f, x->d);
}

// The same of eight rows, whose halves d, and m where the type has it, begin the tile.
ALWAYS_INLINE void add_tile_32(float32x4_t acc[2], const int32x4_t a[2], const void *tile,
                               const struct act_q8_0 *x, bool has_min)
{
    const uint16_t *half = tile;
    const float32x4x2_t d = widen_f16(vld1q_u16(half));
    const float32x4x2_t m = has_min ? widen_f16(vld1q_u16(half + 8)) : d;
    acc[0] = add_block_32(acc[0], a[0], d.val[0], m.val[0], x, has_min);
    acc[1] = add_block_32(acc[1], a[1], d.val[1], m.val[1], x, has_min);
}

// A mat-vec of blocks of 32: rows(out, tiles, act, number of blocks, number of tiles) for one tile
// or two, which share the loads of the activations.
#define MATVEC_32(name, tile_struct, rows, ...)                                                    \
    void name(float *out, const void *w_tiles, const void *act, int n_rows_padded, int n_cols)     \
    {                                                                                              \
        const uint8_t *w = w_tiles;                                                                \
        const int n_blocks = n_cols / QK8_0;                                                       \
        const size_t tile_bytes = (size_t)n_blocks * sizeof(struct tile_struct);                   \
        int row = 0;                                                                               \
        for (; row + 16 <= n_rows_padded; row += 16, w += 2 * tile_bytes) {                        \
            rows(out + row, w, act, n_blocks, 2, ##__VA_ARGS__);                                   \
        }                                                                                          \
        if (row < n_rows_padded) {                                                                 \
            rows(out + row, w, act, n_blocks, 1, ##__VA_ARGS__);                                   \
        }                                                                                          \
    }
