// The one home of arm_neon.h: what several NEON twins share. Plain armv8.0: no dotprod, no fp16
// arithmetic.
#pragma once

#include <arm_neon.h>

#include "lib/types.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// A short loop whose count becomes a constant after inlining: its arrays then live in registers.
#define UNROLL _Pragma("GCC unroll 16")

// The rest of a loop by vectors: the compiler need not write it by vectors again.
#ifdef __clang__
#define NO_VECTORS _Pragma("clang loop vectorize(disable)")
#else
#define NO_VECTORS
#endif

// The compiler no longer knows how a pointer was computed, so that it keeps it in a register of its
// own and loads with post-increment.
#define FORGET_ORIGIN(pointer) __asm__("" : "+r"(pointer))

// The compiler no longer knows that lanes are equal: to use the low half for the high one as well
// it would move the other operand's half down.
#define FORGET_LANES(vector) __asm__("" : "+w"(vector))

// What comes next in a stream by one instruction, which also moves the pointer by so many elements.
#define NEXT(pointer, load, count)                                                                 \
    ({                                                                                             \
        const __auto_type next_ = load(*(pointer));                                                \
        *(pointer) += (count);                                                                     \
        FORGET_ORIGIN(*(pointer));                                                                 \
        next_;                                                                                     \
    })

ALWAYS_INLINE uint8x16x2_t next_u8x2(const uint8_t **p)
{
    return NEXT(p, vld1q_u8_x2, 32);
}

ALWAYS_INLINE uint8x16x3_t next_u8x3(const uint8_t **p)
{
    return NEXT(p, vld1q_u8_x3, 48);
}

ALWAYS_INLINE uint8x16x4_t next_u8x4(const uint8_t **p)
{
    return NEXT(p, vld1q_u8_x4, 64);
}

ALWAYS_INLINE int8x16x4_t next_s8x4(const int8_t **p)
{
    return NEXT(p, vld1q_s8_x4, 64);
}

// Sixteen floats and on to the next ones.
ALWAYS_INLINE float32x4x4_t next_f32x4(const float **p)
{
    return NEXT(p, vld1q_f32_x4, 16);
}

ALWAYS_INLINE void put_f32x4(float **p, float32x4x4_t value)
{
    vst1q_f32_x4(*p, value);
    *p += 16;
    FORGET_ORIGIN(*p);
}

// Eight halves to floats, exact.
ALWAYS_INLINE float32x4x2_t widen_f16(uint16x8_t half)
{
    const float16x8_t h = vreinterpretq_f16_u16(half);
    return (float32x4x2_t){{vcvt_f32_f16(vget_low_f16(h)), vcvt_high_f32_f16(h)}};
}

ALWAYS_INLINE float32x4_t load_f16x4(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

// Eight bfloat16 to floats: zeros below.
ALWAYS_INLINE float32x4x2_t widen_bf16(uint16x8_t value)
{
    const uint16x8_t zero = vdupq_n_u16(0);
    return (float32x4x2_t){{vreinterpretq_f32_u16(vzip1q_u16(zero, value)),
                            vreinterpretq_f32_u16(vzip2q_u16(zero, value))}};
}

// (s0 + s1) + (s2 + s3)
ALWAYS_INLINE float sum_lanes(float32x4_t s)
{
    return vpadds_f32(vpadd_f32(vget_low_f32(s), vget_high_f32(s)));
}

// What exp_f32 of values from -87 to 88 comes down to: x = n ln 2 + r.
ALWAYS_INLINE float32x4_t exp_reduce(float32x4_t *n, float32x4_t x)
{
    *n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(0x1.715476p+0f)));
    x = vfmsq_f32(x, *n, vdupq_n_f32(0x1.62e4p-1f));
    return vfmsq_f32(x, *n, vdupq_n_f32(0x1.7f7d1cp-20f));
}

// p 2^n
ALWAYS_INLINE float32x4_t exp_raise(float32x4_t p, float32x4_t n)
{
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent));
}

// exp_f32 of four values from -87 to 88: the same steps in the same order.
ALWAYS_INLINE float32x4_t exp_f32x4_within(float32x4_t x)
{
    float32x4_t n;
    const float32x4_t r = exp_reduce(&n, x);
    float32x4_t p = vdupq_n_f32(0x1.6a2434p-10f);
    p = vfmaq_f32(vdupq_n_f32(0x1.1239e2p-7f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0x1.5558f2p-5f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0x1.555492p-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0x1.fffffcp-2f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    return exp_raise(p, n);
}

// exp_f32 of any four values.
ALWAYS_INLINE float32x4_t exp_f32x4(float32x4_t x)
{
    x = vmaxnmq_f32(x, vdupq_n_f32(-87.0f));
    return exp_f32x4_within(vminnmq_f32(x, vdupq_n_f32(88.0f)));
}

// Of values that are no larger than 88, or NaN.
ALWAYS_INLINE float32x4_t exp_f32x4_to_88(float32x4_t x)
{
    return exp_f32x4_within(vmaxnmq_f32(x, vdupq_n_f32(-87.0f)));
}

#define FOUR_TIMES_FOUR(x) x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x

// The same of four times four values, in place. FMLA overwrites what it adds to, here constants: a
// load of four registers, which the loads' own unit does beside, replaces four copies.
ALWAYS_INLINE void exp_f32x16_to_88(float32x4_t x[4])
{
    static const float terms[6 * 16] = {
        FOUR_TIMES_FOUR(0x1.1239e2p-7f), FOUR_TIMES_FOUR(0x1.5558f2p-5f),
        FOUR_TIMES_FOUR(0x1.555492p-3f), FOUR_TIMES_FOUR(0x1.fffffcp-2f),
        FOUR_TIMES_FOUR(1.0f),           FOUR_TIMES_FOUR(1.0f),
    };
    const float *term = terms;
    float32x4_t n[4], p[4];
    FORGET_ORIGIN(term);
    UNROLL for (int i = 0; i < 4; i++)
    {
        x[i] = exp_reduce(&n[i], vmaxnmq_f32(x[i], vdupq_n_f32(-87.0f)));
        p[i] = vdupq_n_f32(0x1.6a2434p-10f);
    }
    UNROLL for (int t = 0; t < 6; t++)
    {
        const float32x4x4_t sum = next_f32x4(&term);
        UNROLL for (int i = 0; i < 4; i++)
        {
            p[i] = vfmaq_f32(sum.val[i], p[i], x[i]);
        }
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        x[i] = exp_raise(p[i], n[i]);
    }
}

// Of any.
ALWAYS_INLINE void exp_f32x16(float32x4_t x[4])
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        x[i] = vminnmq_f32(x[i], vdupq_n_f32(88.0f));
    }
    exp_f32x16_to_88(x);
}

// The last 1..3 elements of a row as a vector with zeros behind, and back.
ALWAYS_INLINE float32x4_t load_tail(const float *x, int n)
{
    float lanes[4] = {0};
    for (int i = 0; i < n; i++) {
        lanes[i] = x[i];
    }
    return vld1q_f32(lanes);
}

ALWAYS_INLINE void store_tail(float *out, float32x4_t value, int n)
{
    float lanes[4];
    vst1q_f32(lanes, value);
    for (int i = 0; i < n; i++) {
        out[i] = lanes[i];
    }
}
