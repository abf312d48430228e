// IEEE half precision and bfloat16 to and from float32, in integers: no half-precision arithmetic
// needed.
#pragma once

#include "lib/types.h"

// Exact. A NaN becomes quiet, as FCVT makes it.
float f16_to_f32(uint16_t half);

// Round to nearest even; subnormal results are kept; too large becomes infinity.
uint16_t f32_to_f16(float value);

// Exact: a bfloat16 is the upper half of a float32.
float bf16_to_f32(uint16_t value);
