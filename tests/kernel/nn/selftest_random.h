// Numbers for the self-test: the same ones every time, with the awkward ones among them.
#pragma once

#include "lib/f16.h"
#include "lib/types.h"

static uint32_t random_u32(void)
{
    static uint64_t state = 0x853c49e6748fea9bu;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static int random_below(int n)
{
    return (int)(random_u32() % (uint32_t)n);
}

// Mostly of ordinary size; also zeros of both signs, subnormals and large values.
static float random_float(void)
{
    const float x = (float)(int32_t)random_u32() * 0x1p-31f;
    switch (random_below(16)) {
    case 0:
        return x < 0.0f ? -0.0f : 0.0f;
    case 1:
        return x * 0x1p-130f;
    case 2:
        return x * 1000.0f;
    case 3:
        return x * 0x1p-16f;
    default:
        return x * 4.0f;
    }
}

static void random_floats(float *x, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = random_float();
    }
}

// Some NaNs and infinities; now and then nothing else.
static void poison(float *x, int n)
{
    const int every = 1 + random_below(8);
    for (int i = random_below(every); i < n; i += every) {
        static const uint32_t bits[] = {0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000};
        memcpy(&x[i], &bits[random_below(4)], sizeof *x);
    }
}

// A finite half; every 16th subnormal or zero.
static uint16_t random_half(void)
{
    const uint16_t half = (uint16_t)random_u32() & 0xbfff; // below 2
    return random_below(16) == 0 ? half & 0x83ff : half;
}
