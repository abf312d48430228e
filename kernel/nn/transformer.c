// The forward pass: every row of the batch goes through a layer before the next layer begins.
//
// All cores run the same phases, each on its share of rows, heads or tokens, with a barrier where
// one needs what another wrote. One token: five barriers a layer (after Q, K and V; attention; its
// output matrix; gate and up; down). What all cores need of that token, its norm and its int8
// form, each makes for itself rather than wait for another, unless it is long. Of a long vector and
// of several tokens it makes a share, at the price of a barrier each time: up to nine a layer, two
// more where branches end with norms, and one more where cores share a key-value head.
#include "nn/transformer.h"

#include "lib/panic.h"
#include "lib/phase.h"
#include "nn/layer.h"
#include "nn/ops.h"
#include "nn/row_get.h"

struct nn_progress nn_progress[PARALLEL_MAX_CORES] = {
    [0 ... PARALLEL_MAX_CORES - 1] = {.layer = -1, .token = -1},
};

static const struct tensor token_embd = TENSOR_TOKEN_EMBD;
static const struct tensor output_norm = TENSOR_OUTPUT_NORM;
static const struct tensor output = TENSOR_OUTPUT;

// Scales and caps these rows of the logits.
static void finish_logits(const struct part *part, float *logits, struct share rows)
{
    const int n = rows.end - rows.begin;
    logits += rows.begin;
    for (int t = 0; t < part->n_tokens; t++, logits += N_VOCAB_ROWS) {
        if (LOGIT_SCALE != 1.0f) {
            vec_scale(logits, logits, LOGIT_SCALE, n);
        }
        if (LOGIT_SOFTCAP != 0.0f) {
            vec_softcap(logits, logits, LOGIT_SOFTCAP, n);
        }
    }
}

// logits = Wout rms(x) of the last tokens.
static void output_head(const struct part *all, float *logits, int n_logits)
{
    PHASE_MARK(PHASE_HEAD_BEGIN);
    const float *x = buffer(ACT_X) + (all->n_tokens - n_logits) * N_EMBD;
    const struct part last =
        part_of(all->core, all->n_cores, n_logits, all->pos + all->n_tokens - n_logits);
    nn_progress[all->core].token = last.pos;
    // In two passes: every image promises the plain RMS norm, and this is its caller.
    const struct activation input =
        part_normed(&last, x, &output_norm, matmul_form(&output), false);
    const struct share rows = matmul_rows(N_VOCAB_ROWS, all->core, all->n_cores);
    matmul(logits + rows.begin, N_VOCAB_ROWS, &output, &input, n_logits, rows);
    if (LOGIT_SCALE != 1.0f || LOGIT_SOFTCAP != 0.0f) {
        finish_logits(&last, logits, rows);
    }
    PHASE_MARK(PHASE_HEAD_END);
}

struct forward {
    const uint32_t *tokens;
    int n_tokens, pos;
    float *logits;
    int n_logits;
};

static void forward_part(int core, int n_cores, void *arg)
{
    const struct forward *forward = arg;
    const struct part part = part_of(core, n_cores, forward->n_tokens, forward->pos);
    struct nn_progress *progress = &nn_progress[core];
    // Shared by columns, for a single token too. 16 floats are a cache line.
    const struct share columns = share_of(N_EMBD, 16, core, n_cores);

    progress->token = part.pos;
    for (int t = 0; t < forward->n_tokens; t++) {
        float *x = buffer(ACT_X) + t * N_EMBD;
        row_get(x, &token_embd, (int)forward->tokens[t], columns.begin, columns.end);
        if (EMBEDDING_SCALE != 1.0f) {
            x += columns.begin;
            vec_scale(x, x, EMBEDDING_SCALE, columns.end - columns.begin);
        }
    }
    parallel_barrier();
    for (int layer = 0; layer < N_LAYER; layer++) {
        progress->layer = layer;
        layer_forward(&part, layer);
    }
    if (forward->n_logits > 0) {
        progress->layer = N_LAYER;
        output_head(&part, forward->logits, forward->n_logits);
    }
    progress->layer = -1;
}

void transformer_forward(const uint32_t *tokens, int n_tokens, int pos, float *logits, int n_logits)
{
    struct forward forward = {tokens, n_tokens, pos, logits, n_logits};
    ASSERT(n_tokens >= 1 && n_tokens <= N_BATCH && pos >= 0 && pos + n_tokens <= N_CTX);
    ASSERT(n_logits >= 0 && n_logits <= n_tokens);
    for (int t = 0; t < n_tokens; t++) {
        ASSERT(tokens[t] < N_VOCAB_ROWS);
    }
    parallel_run(forward_part, &forward);
}
