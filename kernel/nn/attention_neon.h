// How attention_neon.c reads the cache: eight elements as floats, whatever they are stored as.
#pragma once

#include "lib/f16.h"
#include "nn/kernels.h"
#include "nn/simd_neon.h"

// Floats of queries, and of their results: eight rows of heads of 64, or four of 128. Twice as many
// would save 5 % at heads of 128, and cost each core 4 KiB more of its stack.
#define MAX_PACKED (2 * ATTENTION_MAX_HEAD)

// Query rows that go together: 8, 4, 2 or 1.
ALWAYS_INLINE int rows_at_once(int n, int head_size)
{
    int n_rows = ATTENTION_ROWS;
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

// Eight elements of one value. scale: of their block, likewise.
ALWAYS_INLINE float32x4x2_t load_value(const uint8_t *p, const uint8_t *scale, int type)
{
    if (type == KV_TYPE_Q8_0) {
        const float32x4x2_t q = load8_s8(p);
        const float d = (float)*(const __fp16 *)(const void *)scale;
        return (float32x4x2_t){{vmulq_n_f32(q.val[0], d), vmulq_n_f32(q.val[1], d)}};
    }
    return type == KV_TYPE_F16 ? load8_f16(p) : load8_f32(p);
}

ALWAYS_INLINE float load_element(const uint8_t *p, const uint8_t *scale, int type)
{
    if (type == KV_TYPE_Q8_0) {
        return f16_to_f32(*(const uint16_t *)scale) * (float)*(const int8_t *)p;
    }
    return type == KV_TYPE_F16 ? f16_to_f32(*(const uint16_t *)p) : *(const float *)p;
}
