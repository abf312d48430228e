// Float operations with exactly one rounding each, and exp: the same bits on every machine.
//
// Built with -fno-math-errno, so that on AArch64 each is one instruction and never a call.
#pragma once

// a * b + c, rounded once.
static inline float fma_f32(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}

static inline float sqrt_f32(float x)
{
    return __builtin_sqrtf(x);
}

// The nearest integer, ties to even.
static inline float rint_f32(float x)
{
    return __builtin_rintf(x);
}

// The larger of the two; a NaN counts as nothing, as in FMAXNM.
static inline float max_f32(float a, float b)
{
    return b > a || a != a ? b : a;
}

// e^x for x clamped to [-87, 88]; relative error below 1e-7; exp_f32(0) is exactly 1. NaN counts as
// -87.
float exp_f32(float x);
