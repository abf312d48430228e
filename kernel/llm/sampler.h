// From logits to a token: penalty, top-k, top-p, min-p, temperature, draw, in llama.cpp's order.
#pragma once

#include "lib/types.h"

struct sampler_params {
    float temp; // < 1e-3: the most likely token (logits / temp must stay finite)
    int32_t top_k;
    float top_p;
    float min_p;
    float repeat_penalty;
    int32_t repeat_last_n; // -1: the whole history
    uint64_t seed;
};

// PCG32 (XSH-RR), M. E. O'Neill, www.pcg-random.org.
struct pcg32 {
    uint64_t state;
};

void sampler_defaults(struct sampler_params *params);
void pcg32_seed(struct pcg32 *rng, uint64_t seed);
uint32_t pcg32_next(struct pcg32 *rng);

// Lowers the logits of recently seen tokens, in place.
void sampler_penalize(const struct sampler_params *params, float *logits, const uint32_t *history,
                      uint32_t n_history);
// Chooses among the ids below N_VOCAB. Uses ACT_CANDIDATES; leaves the logits alone.
uint32_t sampler_choose(const struct sampler_params *params, struct pcg32 *rng,
                        const float *logits);
