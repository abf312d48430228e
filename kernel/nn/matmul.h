// Matrix products with whatever type the weights have. Every core of parallel_run() calls these
// with the same arguments but its own number; none of them waits for the others.
#pragma once

#include "nn/activation.h"
#include "nn/model.h"
#include "nn/tiles.h"
#include "smp/parallel.h"

// The form of its input that a matrix multiplies with; 0: the floats themselves.
enum activation_form { FORM_FLOAT = 0, FORM_Q8_0 = 1, FORM_Q8_K = 2 };
static inline unsigned form_of_type(uint32_t type)
{
    switch (tile_block_cols(type)) {
    case QK8_0:
        return FORM_Q8_0;
    case QK_K:
        return FORM_Q8_K;
    default:
        return FORM_FLOAT;
    }
}

static inline unsigned matmul_form(const struct tensor *w)
{
    return form_of_type(w->type);
}

// Make these forms (enum activation_form, or'ed) of columns of tokens of x, in x->quant. columns:
// whole blocks of each form.
void activation_prepare(const struct activation *x, unsigned forms, struct share tokens,
                        struct share columns);

// The rows that a core computes: whole tiles. Matrices of as many rows have the same shares.
static inline struct share matmul_rows(const struct tensor *w, int core, int n_cores)
{
    return share_of((int)w->n_rows, MAX_TILE_ROWS, core, n_cores);
}

// out[t][row] = w[row] . x[t] for n_tokens tokens and the core's rows; out: [n_tokens][w->n_rows],
// without padding. x has the form.
void matmul(float *out, const struct tensor *w, const struct activation *x, int n_tokens, int core,
            int n_cores);

// Where this core's rows of w begin.
const void *matmul_first_tile(const struct tensor *w, int core, int n_cores);
