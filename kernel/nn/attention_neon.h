// How attention_neon.c reads the cache: eight elements as floats, whatever they are stored as.
#pragma once

#include "lib/f16.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

// Floats of queries, and of their results: eight rows of heads of 64, or four of 128. Twice as many
// would save 5 % at heads of 128, and cost each core 4 KiB more of its stack.
#define MAX_PACKED (2 * ATTENTION_MAX_HEAD)

// Query rows that go together: 8, 4, 2 or 1; eight of heads of whole eights only, which is what the
// loops of attention_f16_neon.S know.
ALWAYS_INLINE int rows_at_once(int n, int head_size)
{
    int n_rows = head_size % 8 == 0 ? ATTENTION_ROWS : ATTENTION_ROWS / 2;
    while (n_rows > 1 && (n_rows > n || n_rows * ((head_size + 7) & ~7) > MAX_PACKED)) {
        n_rows /= 2;
    }
    return n_rows;
}

ALWAYS_INLINE float32x4x2_t load8_f16(const uint8_t *p)
{
    return widen_f16(vld1q_u16((const uint16_t *)p));
}

ALWAYS_INLINE float32x4x2_t load8_f32(const uint8_t *p)
{
    return (float32x4x2_t){{vld1q_f32((const float *)p), vld1q_f32((const float *)p + 4)}};
}

ALWAYS_INLINE float32x4x2_t load8_s8(const uint8_t *p)
{
    const int16x8_t wide = vmovl_s8(vld1_s8((const int8_t *)p));
    return (float32x4x2_t){
        {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))}};
}

// An element of eight keys. scale: of each key's block, looked at for q8_0 only.
ALWAYS_INLINE float32x4x2_t load_keys(const uint8_t *p, float32x4x2_t scale, int type)
{
    if (type == KV_TYPE_Q8_0) {
        const float32x4x2_t q = load8_s8(p);
        return (float32x4x2_t){
            {vmulq_f32(q.val[0], scale.val[0]), vmulq_f32(q.val[1], scale.val[1])}};
    }
    return type == KV_TYPE_F16 ? load8_f16(p) : load8_f32(p);
}

// The next four elements of eight keys, and on to those after them.
ALWAYS_INLINE void next_keys(float32x4x2_t keys[4], const uint8_t **p, float32x4x2_t scale,
                             int type)
{
    const int step = KV_TILE * (int)kv_element_bytes(type);
    if (type == KV_TYPE_F16) {
        const uint16x8x4_t half = vld1q_u16_x4((const uint16_t *)*p);
        UNROLL for (int i = 0; i < 4; i++)
        {
            keys[i] = widen_f16(half.val[i]);
        }
    } else {
        UNROLL for (int i = 0; i < 4; i++)
        {
            keys[i] = load_keys(*p + i * step, scale, type);
        }
    }
    *p += 4 * step;
    FORGET_ORIGIN(*p);
}

#define MAX_GROUPS 4 // times eight elements of v summed at once: a block of the cache
static_assert(8 * MAX_GROUPS == KV_BLOCK, "elements summed at once have one scale");

// Where some elements of v lie: bytes from row to row, and in a row to them and to their scale.
struct value_place {
    size_t row, two_rows, three_rows;
    size_t elements, scale;
};

ALWAYS_INLINE void find_elements(struct value_place *at, int d, int head_size, int type)
{
    at->elements = kv_scales_bytes(type, head_size) + (size_t)d * kv_element_bytes(type);
    at->scale = (size_t)(d / KV_BLOCK) * sizeof(uint16_t);
}

// n_groups (1, 2 or 4) times eight elements of one value, all of one block. scale: of that block,
// likewise.
ALWAYS_INLINE void load_value(float32x4x2_t *value, const uint8_t *p, const uint8_t *scale,
                              int n_groups, int type)
{
    if (type == KV_TYPE_Q8_0) {
        const float d = (float)*(const __fp16 *)(const void *)scale;
        UNROLL for (int g = 0; g < n_groups; g++)
        {
            const float32x4x2_t q = load8_s8(p + 8 * g);
            value[g] = (float32x4x2_t){{vmulq_n_f32(q.val[0], d), vmulq_n_f32(q.val[1], d)}};
        }
    } else if (type == KV_TYPE_F16 && n_groups == 4) {
        const uint16x8x4_t half = vld1q_u16_x4((const uint16_t *)p);
        UNROLL for (int g = 0; g < 4; g++)
        {
            value[g] = widen_f16(half.val[g]);
        }
    } else if (type == KV_TYPE_F16 && n_groups == 2) {
        const uint16x8x2_t half = vld1q_u16_x2((const uint16_t *)p);
        value[0] = widen_f16(half.val[0]);
        value[1] = widen_f16(half.val[1]);
    } else {
        UNROLL for (int g = 0; g < n_groups; g++)
        {
            value[g] = type == KV_TYPE_F16 ? load8_f16(p + 16 * g) : load8_f32(p + 32 * g);
        }
    }
}

ALWAYS_INLINE float load_element(const uint8_t *p, const uint8_t *scale, int type)
{
    if (type == KV_TYPE_Q8_0) {
        return f16_to_f32(*(const uint16_t *)scale) * (float)*(const int8_t *)p;
    }
    return type == KV_TYPE_F16 ? f16_to_f32(*(const uint16_t *)p) : *(const float *)p;
}

// Eight sums of one row.
ALWAYS_INLINE void add_product(float32x4_t *acc, float32x4x2_t value, float factor)
{
    acc[0] = vfmaq_n_f32(acc[0], value.val[0], factor);
    acc[1] = vfmaq_n_f32(acc[1], value.val[1], factor);
}
