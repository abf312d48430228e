// Half-precision conversions by bit fields. Half: 1 sign, 5 exponent (bias 15), 10 fraction bits.
#include "lib/f16.h"

static float float_of(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = bits};
    return u.value;
}

static uint32_t bits_of(float value)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = value};
    return u.bits;
}

float f16_to_f32(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 0x3ff;

    if (exponent == 31) {
        const uint32_t quiet = fraction != 0 ? 0x400000 : 0;
        return float_of(sign | 0x7f800000 | quiet | fraction << 13);
    }
    if (exponent == 0) { // zero and subnormals: fraction * 2^-24, exact in float32
        return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    }
    return float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

uint16_t f32_to_f16(float value)
{
    const uint32_t bits = bits_of(value);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;

    if (magnitude > 0x7f800000) {
        return sign | 0x7e00 | (uint16_t)(magnitude >> 13 & 0x3ff); // quiet NaN
    }
    if (magnitude >= 0x477ff000) { // 65520 = half of the last step above 65504: infinity
        return sign | 0x7c00;
    }
    if (magnitude < 0x38800000) { // below 2^-14; one unit of 0.5f is 2^-24, a subnormal half's step
        return sign | (uint16_t)(bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f));
    }
    const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return sign | (uint16_t)((rounded >> 13) - ((127 - 15) << 10));
}

float bf16_to_f32(uint16_t value)
{
    return float_of((uint32_t)value << 16);
}
