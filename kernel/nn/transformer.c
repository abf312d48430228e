// The forward pass: llama's, and what other architectures add where their constants (gen/model.h)
// say so; the compiler drops the rest. Every row of the batch goes through a layer before the next
// layer begins.
//
// All cores run the same phases, each on its share of rows, heads or tokens, with a barrier where
// one needs what another wrote. One token: five barriers a layer (after Q, K and V; attention; its
// output matrix; gate and up; down). What all cores need of that token, its norm and its int8
// form, each makes for itself rather than wait for another, unless it is long. Of a long vector and
// of several tokens it makes a share, at the price of a barrier each time: up to nine a layer, and
// one more where cores share a key-value head.
#include "nn/transformer.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/panic.h"
#include "lib/phase.h"
#include "nn/kv_cache.h"
#include "nn/layer.h"
#include "nn/matmul.h"
#include "nn/ops.h"
#include "nn/row_get.h"

#define GROUP (N_HEAD / N_HEAD_KV) // query heads that share a kv head
#define N_Q   (N_HEAD * HEAD_SIZE)
#define N_KV  (N_HEAD_KV * HEAD_SIZE)

#if KV_TYPE == KV_TYPE_Q8_0
#define ATTENTION attention_q8_0
#elif KV_TYPE == KV_TYPE_F16
#define ATTENTION attention_f16
#else
#define ATTENTION attention_f32
#endif

#define ROPE (ROPE_HALVES ? rope_halves : rope)

static_assert(HEAD_SIZE <= ATTENTION_MAX_HEAD, "the planner refuses larger heads");

// A vector of so many columns is shared out, of a single token too: about where a core spends as
// long on it as a barrier lasts.
#define SHARED_COLUMNS 512

// A core's part of a forward pass.
struct part {
    int core, n_cores;
    int n_tokens, pos;
    struct share tokens; // of those that no other core takes; one token is everybody's
};

struct nn_progress nn_progress[PARALLEL_MAX_CORES] = {
    [0 ... PARALLEL_MAX_CORES - 1] = {.layer = -1, .token = -1},
};

static const struct tensor token_embd = TENSOR_TOKEN_EMBD;
static const struct tensor output_norm = TENSOR_OUTPUT_NORM;
static const struct tensor output = TENSOR_OUTPUT;
static const struct layer_tensors layers[N_LAYER] = TENSOR_LAYERS;

static float *buffer(size_t offset)
{
    return (float *)(__activations_start + offset);
}

static struct part part_of(int core, int n_cores, int n_tokens, int pos)
{
    struct part part = {.core = core, .n_cores = n_cores, .n_tokens = n_tokens, .pos = pos};
    part.tokens = n_tokens == 1 ? (struct share){0, 1} : share_of(n_tokens, 1, core, n_cores);
    return part;
}

// What a core makes of vectors that all need: columns of its tokens.
struct making {
    struct share columns;
    int row;          // of ACT_H and ACT_QUANT: where token 0 lies
    bool with_others; // they are all there only when all cores are
};

static struct making making_of(const struct part *part, int n, unsigned forms)
{
    if (part->n_tokens > 1) {
        return (struct making){{0, n}, 0, true};
    }
    if (n < SHARED_COLUMNS) {
        return (struct making){{0, n}, part->core, false};
    }
    const int step = forms & FORM_Q8_K ? QK_K : QK8_0; // whole blocks
    return (struct making){share_of(n, step, part->core, part->n_cores), 0, true};
}

// This core's part of the forms of x that matrices want; made with others, whole after a barrier.
static struct activation prepared(const struct part *part, const struct making *making,
                                  const float *x, int n, unsigned forms)
{
    uint8_t *quant = __activations_start + ACT_QUANT + making->row * ACT_QUANT_ROW_SIZE;
    const struct activation input = {.x = x, .n = n, .quant = quant};
    if (forms != FORM_FLOAT) {
        activation_prepare(&input, forms, part->tokens, making->columns);
    }
    return input;
}

// x of all tokens with the forms of it that matrices want, for this core to read.
static struct activation quantised(const struct part *part, const float *x, int n, unsigned forms)
{
    const struct making making = making_of(part, n, forms);
    const struct activation input = prepared(part, &making, x, n, forms);
    if (making.with_others && forms != FORM_FLOAT) {
        parallel_barrier();
    }
    return input;
}

// rms(x) of all tokens, likewise.
static struct activation normed(const struct part *part, const float *x,
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

static void product(const struct part *part, float *out, const struct tensor *w,
                    const struct activation *input)
{
    matmul(out, w, input, part->n_tokens, part->core, part->n_cores);
}

// out += bias, in the rows of w that are this core's.
static void add_bias(const struct part *part, float *out, const struct tensor *w,
                     const struct tensor *bias)
{
    const struct share rows = matmul_rows(w, part->core, part->n_cores);
    const float *b = (const float *)tensor_data(bias) + rows.begin;
    out += rows.begin;
    for (int t = 0; t < part->n_tokens; t++, out += w->n_rows) {
        vec_add(out, out, b, rows.end - rows.begin);
    }
}

// x += y, what a branch ends with, in the rows of w that are this core's.
static void add_branch(const struct part *part, const struct tensor *w)
{
    const struct share rows = matmul_rows(w, part->core, part->n_cores);
    const int n = rows.end - rows.begin;
    float *x = buffer(ACT_X) + rows.begin, *y = buffer(ACT_Y) + rows.begin;
    for (int t = 0; t < part->n_tokens; t++, x += N_EMBD, y += N_EMBD) {
        if (RESIDUAL_SCALE != 1.0f) {
            vec_scale(y, y, RESIDUAL_SCALE, n);
        }
        vec_add(x, x, y, n);
    }
}

// An RMS norm of each head by itself.
static void norm_heads(float *x, const struct tensor *weight, int n_heads)
{
    for (int h = 0; h < n_heads; h++, x += HEAD_SIZE) {
        rmsnorm(x, x, tensor_data(weight), HEAD_SIZE, 0, HEAD_SIZE, RMS_EPS);
    }
}

// Rotates this core's heads of q and k, scales q, and puts k and v into the cache.
static void rope_and_append(const struct part *part, struct share q_heads, struct share kv_heads,
                            int layer)
{
    const float *table = (const float *)(model_blob + BLOB_ROPE);
    const int n_q = q_heads.end - q_heads.begin, n_kv = kv_heads.end - kv_heads.begin;
    for (int t = 0; t < part->n_tokens; t++) {
        const float *angles = table + (size_t)(part->pos + t) * N_ROT;
        float *q = buffer(ACT_Q) + t * N_Q + q_heads.begin * HEAD_SIZE;
        float *k = buffer(ACT_K) + t * N_KV, *v = buffer(ACT_V) + t * N_KV;
        if (HAS_ATTN_Q_NORM) {
            norm_heads(q, layers[layer].attn_q_norm, n_q);
            norm_heads(k + kv_heads.begin * HEAD_SIZE, layers[layer].attn_k_norm, n_kv);
        }
        ROPE(q, angles, n_q, HEAD_SIZE, N_ROT);
        vec_scale(q, q, ATTN_SCALE, n_q * HEAD_SIZE);
        ROPE(k + kv_heads.begin * HEAD_SIZE, angles, n_kv, HEAD_SIZE, N_ROT);
        for (int h = kv_heads.begin; h < kv_heads.end; h++) {
            kv_cache_append(layer, h, part->pos + t, k + h * HEAD_SIZE, v + h * HEAD_SIZE);
        }
    }
}

// Query heads [begin, end) of n_tokens tokens from t on; each kv head serves GROUP query heads.
static void attention_heads(const struct part *part, struct share heads, int layer, int t,
                            int n_tokens)
{
    float *out = buffer(ACT_ATT) + t * N_Q;
    const float *q = buffer(ACT_Q) + t * N_Q;
    for (int h = heads.begin; h < heads.end;) {
        const int kv_head = h / GROUP;
        const int group_end = (kv_head + 1) * GROUP;
        const int n = (group_end < heads.end ? group_end : heads.end) - h;
        ATTENTION(out + h * HEAD_SIZE, q + h * HEAD_SIZE, N_Q, kv_cache_k(layer, kv_head),
                  kv_cache_v(layer, kv_head), part->pos + t + 1, n_tokens, n, HEAD_SIZE);
        h += n;
    }
}

// att = attention(rope(q), rope(k), v). Where each core has whole kv heads, it reads only keys that
// it wrote itself; else there is a barrier more.
static void attend(const struct part *part, int layer)
{
    const bool whole_kv_heads = N_HEAD_KV % part->n_cores == 0;
    const struct share kv_heads = share_of(N_HEAD_KV, 1, part->core, part->n_cores);
    const struct share q_heads =
        share_of(N_HEAD, whole_kv_heads ? GROUP : 1, part->core, part->n_cores);
    rope_and_append(part, q_heads, kv_heads, layer);
    if (!whole_kv_heads) {
        parallel_barrier();
    }
    // As many tokens at once as fill the rows that a load can serve.
    const int step = GROUP < ATTENTION_ROWS ? ATTENTION_ROWS / GROUP : 1;
    for (int t = 0; t < part->n_tokens; t += step) {
        const int left = part->n_tokens - t;
        nn_progress[part->core].token = part->pos + t;
        attention_heads(part, q_heads, layer, t, left < step ? left : step);
    }
}

// q, k, v = Wq h, Wk h, Wv h, in this core's rows.
static void q_k_v(const struct part *part, const struct layer_tensors *w,
                  const struct activation *h)
{
    product(part, buffer(ACT_Q), &w->attn_q, h);
    product(part, buffer(ACT_K), &w->attn_k, h);
    product(part, buffer(ACT_V), &w->attn_v, h);
    if (HAS_ATTN_Q_BIAS) {
        add_bias(part, buffer(ACT_Q), &w->attn_q, w->attn_q_bias);
    }
    if (HAS_ATTN_K_BIAS) {
        add_bias(part, buffer(ACT_K), &w->attn_k, w->attn_k_bias);
    }
    if (HAS_ATTN_V_BIAS) {
        add_bias(part, buffer(ACT_V), &w->attn_v, w->attn_v_bias);
    }
}

// x += Wo attention(rope(Wq h), rope(Wk h), Wv h),  h = rms(x)
static void attention_block(const struct part *part, const struct layer_tensors *w, int layer)
{
    const unsigned forms =
        matmul_form(&w->attn_q) | matmul_form(&w->attn_k) | matmul_form(&w->attn_v);

    struct activation input = normed(part, buffer(ACT_X), &w->attn_norm, forms);
    q_k_v(part, w, &input);
    parallel_barrier();
    attend(part, layer);
    parallel_barrier();
    input = quantised(part, buffer(ACT_ATT), N_Q, matmul_form(&w->attn_output));
    product(part, buffer(ACT_Y), &w->attn_output, &input);
    if (HAS_ATTN_OUTPUT_BIAS) {
        add_bias(part, buffer(ACT_Y), &w->attn_output, w->attn_output_bias);
    }
    add_branch(part, &w->attn_output);
    parallel_barrier();
}

// gate = silu(gate) * up, in this core's rows.
static void silu_times_up(const struct part *part, struct share rows)
{
    float *gate = buffer(ACT_GATE) + rows.begin;
    const float *up = buffer(ACT_UP) + rows.begin;
    const int n = rows.end - rows.begin;
    for (int t = 0; t < part->n_tokens; t++, gate += N_FF, up += N_FF) {
        vec_silu(gate, gate, n);
        vec_mul(gate, gate, up, n);
    }
}

// x += Wdown (silu(Wgate h) * (Wup h)),  h = rms(x)
static void feed_forward_block(const struct part *part, const struct layer_tensors *w)
{
    const unsigned forms = matmul_form(&w->ffn_gate) | matmul_form(&w->ffn_up);

    struct activation input = normed(part, buffer(ACT_X), &w->ffn_norm, forms);
    product(part, buffer(ACT_GATE), &w->ffn_gate, &input);
    product(part, buffer(ACT_UP), &w->ffn_up, &input);
    if (HAS_FFN_GATE_BIAS) {
        add_bias(part, buffer(ACT_GATE), &w->ffn_gate, w->ffn_gate_bias);
    }
    if (HAS_FFN_UP_BIAS) {
        add_bias(part, buffer(ACT_UP), &w->ffn_up, w->ffn_up_bias);
    }
    silu_times_up(part, matmul_rows(&w->ffn_gate, part->core, part->n_cores));
    parallel_barrier();
    input = quantised(part, buffer(ACT_GATE), N_FF, matmul_form(&w->ffn_down));
    product(part, buffer(ACT_Y), &w->ffn_down, &input);
    if (HAS_FFN_DOWN_BIAS) {
        add_bias(part, buffer(ACT_Y), &w->ffn_down, w->ffn_down_bias);
    }
    add_branch(part, &w->ffn_down);
    parallel_barrier();
}

// This core's rows of them.
static void scale_logits(const struct part *part, float *logits)
{
    const struct share rows = matmul_rows(&output, part->core, part->n_cores);
    const int n = rows.end - rows.begin;
    logits += rows.begin;
    for (int t = 0; t < part->n_tokens; t++, logits += N_VOCAB_ROWS) {
        vec_scale(logits, logits, LOGIT_SCALE, n);
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
    const struct activation input = normed(&last, x, &output_norm, matmul_form(&output));
    product(&last, logits, &output, &input);
    if (LOGIT_SCALE != 1.0f) {
        scale_logits(&last, logits);
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
        attention_block(&part, &layers[layer], layer);
        feed_forward_block(&part, &layers[layer]);
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
