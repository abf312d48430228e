// Matrix products with whatever type the weights have.
#pragma once

#include "nn/activation.h"
#include "nn/model.h"

// An input of n values per token, not quantised yet. Ends the life of the one before.
struct activation activation_of(const float *x, int n);

// out[t][row] = w[row] . x[t] for n_tokens rows; out: [n_tokens][w->n_rows], without padding.
void matmul(float *out, const struct tensor *w, struct activation *x, int n_tokens);
