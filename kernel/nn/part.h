// A core's part of a forward pass, and the inputs of matrices: what each core makes for itself
// rather than wait, and what all share out. Inline: as calls they would cost some instructions a
// token more.
#pragma once

#include "gen/layout.h"
#include "gen/model.h"
#include "nn/matmul.h"
#include "nn/ops.h"

// n tokens of a batch, from `first` on, that follow one another in a text from its beginning; their
// keys lie in the cache from place `row` on, the first of a tile.
struct text {
    int first, n, row;
};

struct part {
    int core, n_cores;
    int n_tokens, pos;
    struct share tokens; // of those that no other core takes; a decoded token is everybody's
    // Of a model that makes vectors: the texts of the batch, which is then more than one token or
    // a text of one token, and no token is everybody's. pos means nothing.
    const struct text *texts;
    int n_texts;
};

static inline struct part part_of(int core, int n_cores, int n_tokens, int pos)
{
    struct part part = {.core = core, .n_cores = n_cores, .n_tokens = n_tokens, .pos = pos};
    part.tokens = n_tokens == 1 && !MAKES_VECTORS ? (struct share){0, 1}
                                                  : share_of(n_tokens, 1, core, n_cores);
    return part;
}

// A buffer of the activations region, ACT_*.
static inline float *buffer(size_t offset)
{
    return (float *)(__activations_start + offset);
}

// A vector of so many columns is shared out, of a single token too: about where a core spends as
// long on it as a barrier lasts.
#define SHARED_COLUMNS 512

// What a core makes of vectors that all need: columns of its tokens.
struct making {
    struct share columns;
    int row;          // of ACT_H and ACT_QUANT: where token 0 lies
    bool with_others; // they are all there only when all cores are
};

static inline struct making making_of(const struct part *part, int n, unsigned forms)
{
    if (part->n_tokens > 1 || MAKES_VECTORS) {
        return (struct making){{0, n}, 0, true};
    }
    if (n < SHARED_COLUMNS) {
        return (struct making){{0, n}, part->core, false};
    }
    const int step = forms & FORM_Q8_K ? QK_K : QK8_0; // whole blocks
    return (struct making){share_of(n, step, part->core, part->n_cores), 0, true};
}

// This core's part of the forms of x that matrices want; made with others, whole after a barrier.
static inline struct activation prepared(const struct part *part, const struct making *making,
                                         const float *x, int n, unsigned forms)
{
    uint8_t *quant = __activations_start + ACT_QUANT + making->row * ACT_QUANT_ROW_SIZE;
    const struct activation input = {.x = x, .n = n, .quant = quant};
    if (forms != FORM_FLOAT) {
        activation_prepare(&input, forms, part->tokens, making->columns);
    }
    return input;
}

// x of all tokens, [n_tokens][n], with the forms of it that matrices want (matmul_form, or'ed), for
// this core to read.
static inline struct activation part_quantised(const struct part *part, const float *x, int n,
                                               unsigned forms)
{
    const struct making making = making_of(part, n, forms);
    const struct activation input = prepared(part, &making, x, n, forms);
    if (making.with_others && forms != FORM_FLOAT) {
        parallel_barrier();
    }
    return input;
}

// rms(x) of all tokens, n being N_EMBD, likewise.
static inline struct activation part_normed(const struct part *part, const float *x,
                                            const struct tensor *weight, unsigned forms)
{
    const struct making making = making_of(part, N_EMBD, forms);
    float *h = buffer(ACT_H) + making.row * N_EMBD;
    for (int t = part->tokens.begin; t < part->tokens.end; t++) {
        rmsnorm(h + t * N_EMBD, x + t * N_EMBD, tensor_data(weight), N_EMBD, making.columns.begin,
                making.columns.end, RMS_EPS);
    }
    const struct activation input = prepared(part, &making, h, N_EMBD, forms);
    if (making.with_others) {
        parallel_barrier();
    }
    return input;
}

// out = w input of all tokens, in this core's rows.
static inline void product(const struct part *part, float *out, const struct tensor *w,
                           const struct activation *input)
{
    matmul(out, w, input, part->n_tokens, part->core, part->n_cores);
}

// A barrier after which this core's next weights are its rows of w: the first of them come while it
// waits. NULL: nobody knows what is next.
static inline void part_barrier(const struct part *part, const struct tensor *w)
{
    const bool ask = part->n_cores > 1 && w != NULL;
    parallel_barrier_before(ask ? matmul_first_tile(w, part->core, part->n_cores) : NULL);
}
