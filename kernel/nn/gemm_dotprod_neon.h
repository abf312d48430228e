// SDOT by lane for the panels of column groups: what the dotprod GEMMs share.
#pragma once

#include "nn/gemm_tokens_neon.h"

// sum[t][half] += 16 columns of eight rows times 16 activations of each token.
ALWAYS_INLINE void add_dots(int32x4_t sum[GEMM_TOKENS][2], const int8_t (*w)[8][4],
                            const int8x16_t x[GEMM_TOKENS])
{
#define ADD_GROUP(lane)                                                                            \
    do {                                                                                           \
        const int8x16_t w0 = vld1q_s8(w[lane][0]), w1 = vld1q_s8(w[lane][4]);                      \
        UNROLL for (int t = 0; t < GEMM_TOKENS; t++)                                               \
        {                                                                                          \
            sum[t][0] = vdotq_laneq_s32(sum[t][0], w0, x[t], lane);                                \
            sum[t][1] = vdotq_laneq_s32(sum[t][1], w1, x[t], lane);                                \
        }                                                                                          \
    } while (0)
    ADD_GROUP(0);
    ADD_GROUP(1);
    ADD_GROUP(2);
    ADD_GROUP(3);
#undef ADD_GROUP
}
