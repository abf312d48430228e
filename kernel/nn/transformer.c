// The llama architecture: every row of the batch goes through a layer before the next layer begins.
#include "nn/transformer.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/panic.h"
#include "lib/phase.h"
#include "nn/kv_cache.h"
#include "nn/matmul.h"
#include "nn/ops.h"
#include "nn/row_get.h"

#define GROUP (N_HEAD / N_HEAD_KV) // query heads that share a kv head
#define N_Q   (N_HEAD * HEAD_SIZE)
#define N_KV  (N_HEAD_KV * HEAD_SIZE)

struct nn_progress nn_progress = {.layer = -1, .token = -1};

static const struct tensor token_embd = TENSOR_TOKEN_EMBD;
static const struct tensor output_norm = TENSOR_OUTPUT_NORM;
static const struct tensor output = TENSOR_OUTPUT;
static const struct layer_tensors layers[N_LAYER] = TENSOR_LAYERS;

static float *buffer(size_t offset)
{
    return (float *)(__activations_start + offset);
}

static void norm_rows(float *out, const float *x, const struct tensor *weight, int n_tokens)
{
    for (int t = 0; t < n_tokens; t++) {
        rmsnorm(out + t * N_EMBD, x + t * N_EMBD, tensor_data(weight), N_EMBD, RMS_EPS);
    }
}

// q of one token over keys 0 .. pos; each kv head serves GROUP query heads.
static void attention_heads(float *out, const float *q, int layer, int pos)
{
    for (int h = 0; h < N_HEAD_KV; h++) {
        attention(out + h * GROUP * HEAD_SIZE, q + h * GROUP * HEAD_SIZE, kv_cache_k(layer, h),
                  kv_cache_v(layer, h), pos + 1, GROUP, HEAD_SIZE, KV_F16);
    }
}

// x += Wo attention(rope(Wq h), rope(Wk h), Wv h),  h = rms(x)
static void attention_block(const struct layer_tensors *w, int layer, int n_tokens, int pos)
{
    float *x = buffer(ACT_X), *h = buffer(ACT_H), *y = buffer(ACT_Y);
    float *q = buffer(ACT_Q), *k = buffer(ACT_K), *v = buffer(ACT_V), *att = buffer(ACT_ATT);
    const float *table = (const float *)(model_blob + BLOB_ROPE);

    norm_rows(h, x, &w->attn_norm, n_tokens);
    struct activation input = activation_of(h, N_EMBD);
    matmul(q, &w->attn_q, &input, n_tokens);
    matmul(k, &w->attn_k, &input, n_tokens);
    matmul(v, &w->attn_v, &input, n_tokens);
    for (int t = 0; t < n_tokens; t++) {
        const float *angles = table + (size_t)(pos + t) * N_ROT;
        rope(q + t * N_Q, angles, N_HEAD, HEAD_SIZE, N_ROT);
        rope(k + t * N_KV, angles, N_HEAD_KV, HEAD_SIZE, N_ROT);
        kv_cache_append(layer, pos + t, k + t * N_KV, v + t * N_KV);
    }
    vec_scale(q, q, ATTN_SCALE, n_tokens * N_Q);
    for (int t = 0; t < n_tokens; t++) {
        nn_progress.token = pos + t;
        attention_heads(att + t * N_Q, q + t * N_Q, layer, pos + t);
    }
    input = activation_of(att, N_Q);
    matmul(y, &w->attn_output, &input, n_tokens);
    vec_add(x, x, y, n_tokens * N_EMBD);
}

// x += Wdown (silu(Wgate h) * (Wup h)),  h = rms(x)
static void feed_forward_block(const struct layer_tensors *w, int n_tokens)
{
    float *x = buffer(ACT_X), *h = buffer(ACT_H), *y = buffer(ACT_Y);
    float *gate = buffer(ACT_GATE), *up = buffer(ACT_UP);

    norm_rows(h, x, &w->ffn_norm, n_tokens);
    struct activation input = activation_of(h, N_EMBD);
    matmul(gate, &w->ffn_gate, &input, n_tokens);
    matmul(up, &w->ffn_up, &input, n_tokens);
    vec_silu(gate, gate, n_tokens * N_FF);
    vec_mul(gate, gate, up, n_tokens * N_FF);
    input = activation_of(gate, N_FF);
    matmul(y, &w->ffn_down, &input, n_tokens);
    vec_add(x, x, y, n_tokens * N_EMBD);
}

// logits = Wout rms(x), x: (N_EMBD,)
static void output_head(float *logits, const float *x)
{
    PHASE_MARK(PHASE_HEAD_BEGIN);
    float *h = buffer(ACT_H);
    norm_rows(h, x, &output_norm, 1);
    struct activation input = activation_of(h, N_EMBD);
    matmul(logits, &output, &input, 1);
    PHASE_MARK(PHASE_HEAD_END);
}

void transformer_forward(const uint32_t *tokens, int n_tokens, int pos, float *logits)
{
    ASSERT(n_tokens >= 1 && n_tokens <= N_BATCH && pos >= 0 && pos + n_tokens <= N_CTX);
    float *x = buffer(ACT_X);
    nn_progress.token = pos;
    for (int t = 0; t < n_tokens; t++) {
        ASSERT(tokens[t] < N_VOCAB_ROWS);
        row_get(x + t * N_EMBD, &token_embd, (int)tokens[t]);
    }
    for (int layer = 0; layer < N_LAYER; layer++) {
        nn_progress.layer = layer;
        attention_block(&layers[layer], layer, n_tokens, pos);
        feed_forward_block(&layers[layer], n_tokens);
    }
    if (logits != NULL) {
        nn_progress.layer = N_LAYER;
        output_head(logits, x + (n_tokens - 1) * N_EMBD);
    }
    nn_progress.layer = -1;
}
