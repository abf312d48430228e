// Texts to vectors, by a model whose tokens see the whole text.
#pragma once

#include "lib/types.h"

// How the vectors of a text's tokens become one.
enum pooling { POOLING_NONE, POOLING_MEAN, POOLING_CLS, POOLING_LAST }; // CLS: the first token's

// A pass over several texts: they share one way of the weights through the caches, and each
// vector's bits are what they would be alone. The steps are apart so that the caller can listen to
// its line meanwhile: begin, layers 0 .. N_LAYER - 1 in order, end.
//
// ids: of all texts, one after the other; text i has sizes[i] >= 1 of them, N_CTX in all at most;
// n_texts: 1 .. N_TEXTS. Both stay as they are until the end.
void encoder_begin(const uint32_t *ids, const uint32_t *sizes, int n_texts);
void encoder_layer(int layer);
void encoder_end(enum pooling pooling);

// The vector of a text of the last pass: N_EMBD floats, of length 1 (a vector of zeros stays what
// it is); and the length that it had.
const float *encoder_vector(int text);
float encoder_length(int text);
