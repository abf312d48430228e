// For the GEMMs that take activations as they are: packed, a token is where it lies.
#pragma once

#include "nn/gemm_neon.h"

#define PACKED_TOKENS 64 // per unpacking of a panel: the sums of more would fill the L1 cache
#define PACKED_TILES  4  // as soon as it hardly counts that a pointer takes work too

struct token_pointers {
    const uint8_t *token[GEMM_TOKENS];
};

ALWAYS_INLINE void pack_pointers(void *packed, const uint8_t *const token[GEMM_TOKENS], int n_cols)
{
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        ((struct token_pointers *)packed)->token[t] = token[t];
    }
}
