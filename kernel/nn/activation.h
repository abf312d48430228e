// Activations as the matrix products take them: float32 rows, and their int8 forms.
#pragma once

#include "lib/types.h"

// Below this 127 / amax could overflow; such a block counts as zero.
#define SMALLEST_AMAX 0x1p-100f

// 32 values, for weights in blocks of 32: x[i] ~ d * q[i].
struct act_q8_0 {
    float d;
    int32_t sum; // of q
    int8_t q[32];
};
static_assert(sizeof(struct act_q8_0) == 40, "the memory plan counts 40 bytes per 32 values");

// 256 values, for weights in blocks of 256.
struct act_q8_k {
    float d;
    uint32_t unused[3]; // keeps what follows 16-byte aligned
    int16_t bsum[16];   // of 16 consecutive q
    int8_t q[256];
};
static_assert(sizeof(struct act_q8_k) == 304, "the memory plan counts 304 bytes per 256 values");

// The input of one or more matrix products, and room for its int8 forms: a row of
// ACT_QUANT_ROW_SIZE bytes per token, the q8_0 blocks first, the q8_k blocks at ACT_QUANT_Q8_K.
struct activation {
    const float *x; // [n_tokens][n]
    int n;
    uint8_t *quant;
};
