// exp in float32: reduction by n * ln 2, a polynomial of degree six, n added to the exponent field.
#include "lib/math.h"
#include "lib/types.h"

#define LOG2_E   0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f // 14 bits: n * LN2_HIGH is exact for |n| < 512
#define LN2_LOW  0x1.7f7d1cp-20f

float exp_f32(float x)
{
    x = x > -87.0f ? x : -87.0f;
    x = x < 88.0f ? x : 88.0f;
    const float n = rint_f32(x * LOG2_E);
    float r = fma_f32(-n, LN2_HIGH, x);
    r = fma_f32(-n, LN2_LOW, r);
    float p = 0x1.6a2434p-10f;
    p = fma_f32(p, r, 0x1.1239e2p-7f);
    p = fma_f32(p, r, 0x1.5558f2p-5f);
    p = fma_f32(p, r, 0x1.555492p-3f);
    p = fma_f32(p, r, 0x1.fffffcp-2f);
    p = fma_f32(p, r, 1.0f);
    p = fma_f32(p, r, 1.0f);
    union {
        float value;
        uint32_t bits;
    } result = {.value = p};
    result.bits += (uint32_t)(int32_t)n << 23;
    return result.value;
}
