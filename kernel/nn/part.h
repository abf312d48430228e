// A core's part of a forward pass, and what it makes for itself or with the others: the inputs of
// matrices.
#pragma once

#include "gen/layout.h"
#include "gen/model.h"
#include "nn/matmul.h"

struct part {
    int core, n_cores;
    int n_tokens, pos;
    struct share tokens; // of those that no other core takes; one token is everybody's
};

static inline struct part part_of(int core, int n_cores, int n_tokens, int pos)
{
    struct part part = {.core = core, .n_cores = n_cores, .n_tokens = n_tokens, .pos = pos};
    part.tokens = n_tokens == 1 ? (struct share){0, 1} : share_of(n_tokens, 1, core, n_cores);
    return part;
}

// A buffer of the activations region, ACT_*.
static inline float *buffer(size_t offset)
{
    return (float *)(__activations_start + offset);
}

// x of all tokens, [n_tokens][n], with the forms of it that matrices want (matmul_form, or'ed), for
// this core to read.
struct activation part_quantised(const struct part *part, const float *x, int n, unsigned forms);

// rms(x) of all tokens, n being N_EMBD, likewise.
struct activation part_normed(const struct part *part, const float *x, const struct tensor *weight,
                              unsigned forms);

// out = w input of all tokens, in this core's rows.
static inline void product(const struct part *part, float *out, const struct tensor *w,
                           const struct activation *input)
{
    matmul(out, w, input, part->n_tokens, part->core, part->n_cores);
}
