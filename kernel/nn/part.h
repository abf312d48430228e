// A core's part of a forward pass, and the inputs of matrices: what each core makes for itself
// rather than wait, and what all share out. Inline: as calls they would cost some instructions a
// token more.
#pragma once

#include "gen/layout.h"
#include "gen/model.h"
#include "nn/matmul.h"
#include "nn/ops.h"

#define GROUP (N_HEAD / N_HEAD_KV) // query heads that share a kv head
#define N_Q   (N_HEAD * HEAD_SIZE)
#define N_KV  (N_HEAD_KV * HEAD_SIZE)

// n tokens of a batch, from `first` on, that follow one another in a text from its beginning; their
// keys lie in the cache from place `row` on, the first of a tile.
struct text {
    int first, n, row;
};

struct part {
    int core, n_cores;
    int n_tokens, pos;
    struct share tokens; // of those that no other core takes; a decoded token is everybody's
    // Rows of matrices with so many rows, and heads: of a core's own where there are enough.
    struct share q_rows, kv_rows, embd_rows, ff_rows, q_heads, kv_heads;
    bool whole_kv_heads; // no kv head is shared by cores
    // Of a model that makes vectors: the texts of the batch, which is then more than one token or
    // a text of one token, and no token is everybody's. pos means nothing.
    const struct text *texts;
    int n_texts;
};

static inline struct part part_of(int core, int n_cores, int n_tokens, int pos)
{
    struct part part = {.core = core, .n_cores = n_cores, .n_tokens = n_tokens, .pos = pos};
    part.q_rows = matmul_rows(N_Q, core, n_cores);
    part.kv_rows = matmul_rows(N_KV, core, n_cores);
    part.embd_rows = matmul_rows(N_EMBD, core, n_cores);
    part.ff_rows = matmul_rows(N_FF, core, n_cores);
    part.whole_kv_heads = N_HEAD_KV % n_cores == 0;
    part.q_heads = share_of(N_HEAD, part.whole_kv_heads ? GROUP : 1, core, n_cores);
    part.kv_heads = share_of(N_HEAD_KV, 1, core, n_cores);
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

// x with room for its forms, which are not made yet.
static inline struct activation unmade(const struct making *making, const float *x, int n)
{
    uint8_t *quant = __activations_start + ACT_QUANT + making->row * ACT_QUANT_ROW_SIZE;
    return (struct activation){.x = x, .n = n, .quant = quant};
}

// x of all tokens, [n_tokens][n], with the forms of it that matrices want (matmul_form, or'ed), for
// this core to read.
static inline struct activation part_quantised(const struct part *part, const float *x, int n,
                                               unsigned forms)
{
    const struct making making = making_of(part, n, forms);
    const struct activation input = unmade(&making, x, n);
    if (forms != FORM_FLOAT) {
        activation_prepare(&input, forms, part->tokens, making.columns);
        if (making.with_others) {
            parallel_barrier();
        }
    }
    return input;
}

// rms(x) of all tokens, n being N_EMBD, likewise. in_one_pass: the form is made with the norm where
// that is one operation.
static inline struct activation part_normed(const struct part *part, const float *x,
                                            const struct tensor *weight, unsigned forms,
                                            bool in_one_pass)
{
    const bool fused = in_one_pass && forms == FORM_Q8_K;
    const struct making making = making_of(part, N_EMBD, forms);
    const int begin = making.columns.begin, end = making.columns.end;
    float *h = buffer(ACT_H) + making.row * N_EMBD;
    const struct activation input = unmade(&making, h, N_EMBD);
    for (int t = part->tokens.begin; t < part->tokens.end; t++) {
        if (fused) {
            struct act_q8_k *blocks = activation_q8_k(&input, t) + (unsigned)begin / QK_K;
            rmsnorm_q8_k(blocks, h + t * N_EMBD, x + t * N_EMBD, tensor_data(weight), N_EMBD, begin,
                         end, RMS_EPS);
        } else {
            rmsnorm(h + t * N_EMBD, x + t * N_EMBD, tensor_data(weight), N_EMBD, begin, end,
                    RMS_EPS);
        }
    }
    if (forms != FORM_FLOAT && !fused) {
        activation_prepare(&input, forms, part->tokens, making.columns);
    }
    if (making.with_others) {
        parallel_barrier();
    }
    return input;
}

// A barrier after which this core's next weights are these rows of w: the first of them come while
// it waits. NULL: nobody knows what is next.
static inline void part_barrier(const struct part *part, const struct tensor *w, struct share rows)
{
    const bool ask = part->n_cores > 1 && w != NULL;
    parallel_barrier_before(ask ? matmul_first_tile(w, rows.begin) : NULL);
}
