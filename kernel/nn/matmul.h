// Matrix products with whatever type the weights have. Every core of parallel_run() calls these
// with its own rows; none of them waits for the others.
#pragma once

#include "gen/layout.h"
#include "gen/model.h"
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

// Where all matrices of the model want the same, a constant.
#define TYPE_BIT(type) (1ull << (type))
#define TYPES_OF_Q8_0                                                                              \
    (TYPE_BIT(TYPE_Q8_0) | TYPE_BIT(TYPE_Q4_0) | TYPE_BIT(TYPE_Q4_1) | TYPE_BIT(TYPE_Q5_0) |       \
     TYPE_BIT(TYPE_Q5_1) | TYPE_BIT(TYPE_IQ4_NL))
#define TYPES_OF_Q8_K                                                                              \
    (TYPE_BIT(TYPE_Q2_K) | TYPE_BIT(TYPE_Q3_K) | TYPE_BIT(TYPE_Q4_K) | TYPE_BIT(TYPE_Q5_K) |       \
     TYPE_BIT(TYPE_Q6_K) | TYPE_BIT(TYPE_IQ4_XS))
static inline unsigned matmul_form(const struct tensor *w)
{
    if ((MATRIX_TYPES & ~TYPES_OF_Q8_0) == 0) {
        return FORM_Q8_0;
    }
    if ((MATRIX_TYPES & ~TYPES_OF_Q8_K) == 0) {
        return FORM_Q8_K;
    }
    return form_of_type(w->type);
}

// Rows of a tile of w.
static inline int matmul_tile_rows(const struct tensor *w)
{
    const bool no_floats = (MATRIX_TYPES & ~(TYPES_OF_Q8_0 | TYPES_OF_Q8_K)) == 0;
    return no_floats ? QUANT_TILE_ROWS : tile_rows(w->type);
}

// Where the q8_k form of token t begins.
static inline struct act_q8_k *activation_q8_k(const struct activation *x, int t)
{
    return (struct act_q8_k *)(x->quant + (size_t)t * ACT_QUANT_ROW_SIZE + ACT_QUANT_Q8_K);
}

// Make these forms (enum activation_form, or'ed) of columns of tokens of x, in x->quant. columns:
// whole blocks of each form.
void activation_prepare(const struct activation *x, unsigned forms, struct share tokens,
                        struct share columns);

// The rows of n_rows that a core computes: whole tiles.
static inline struct share matmul_rows(int n_rows, int core, int n_cores)
{
    return share_of(n_rows, MAX_TILE_ROWS, core, n_cores);
}

// out[t * stride + i] = w[rows.begin + i] . x[t] for n_tokens tokens and these rows, of a core;
// without padding. x has the form.
void matmul(float *out, size_t stride, const struct tensor *w, const struct activation *x,
            int n_tokens, struct share rows);

// Where a row of w begins, the first of a tile.
const void *matmul_first_tile(const struct tensor *w, int row);
