// The forward pass of the model.
#pragma once

#include "lib/types.h"
#include "smp/parallel.h"

// Where each core is in the forward pass, for the report of a panic.
struct nn_progress {
    volatile int layer; // N_LAYER: the output head; -1: not computing
    volatile int token; // position in the context
};
extern struct nn_progress nn_progress[PARALLEL_MAX_CORES];

// Append n_tokens (1 .. N_BATCH) at positions pos, pos + 1, ... and compute the N_VOCAB_ROWS logits
// that follow each of the last n_logits (0 .. n_tokens) of them; logits: [n_logits][N_VOCAB_ROWS].
// Positions before pos are in the cache already. Neither how a sequence is cut into calls nor the
// number of cores changes a bit of the result.
void transformer_forward(const uint32_t *tokens, int n_tokens, int pos, float *logits,
                         int n_logits);
