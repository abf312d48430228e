// The forward pass of the model.
#pragma once

#include "lib/types.h"

// Where the forward pass is, for the report of a panic.
struct nn_progress {
    volatile int layer; // N_LAYER: the output head; -1: not computing
    volatile int token; // position in the context
};
extern struct nn_progress nn_progress;

// Append n_tokens (1 .. N_BATCH) at positions pos, pos + 1, ... and, unless logits is NULL, compute
// the N_VOCAB_ROWS logits that follow the last one. Positions before pos are in the cache already.
// How a sequence is cut into calls changes no bit of the result.
void transformer_forward(const uint32_t *tokens, int n_tokens, int pos, float *logits);
