// A layer: attention, then the feed-forward, each adding to the residual stream. What is not
// llama's depends on constants of gen/model.h; the compiler drops what a model does not have.
#include "nn/layer.h"

#include "nn/kv_cache.h"
#include "nn/ops.h"
#include "nn/transformer.h"

#if KV_TYPE == KV_TYPE_Q8_0
#define ATTENTION        attention_q8_0
#define ATTENTION_WINDOW attention_window_q8_0
#elif KV_TYPE == KV_TYPE_F16
#define ATTENTION        attention_f16
#define ATTENTION_WINDOW attention_window_f16
#else
#define ATTENTION        attention_f32
#define ATTENTION_WINDOW attention_window_f32
#endif

#define ROPE (ROPE_HALVES ? rope_halves : rope)

static_assert(HEAD_SIZE <= ATTENTION_MAX_HEAD, "the planner refuses larger heads");

static const struct layer_tensors layers[N_LAYER] = TENSOR_LAYERS;
static const bool layer_is_local[N_LAYER] = LAYER_IS_LOCAL;

// out += bias, in these rows. out: of the first of them, a token every stride floats.
static void add_bias(const struct part *part, float *out, size_t stride, const struct tensor *bias,
                     struct share rows)
{
    const float *b = (const float *)tensor_data(bias) + rows.begin;
    for (int t = 0; t < part->n_tokens; t++, out += stride) {
        vec_add(out, out, b, rows.end - rows.begin);
    }
}

// x += y, what a branch ends with, in this core's rows.
static void add_branch(const struct part *part)
{
    const struct share rows = part->embd_rows;
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

static_assert(HAS_ATTN_Q_NORM == HAS_ATTN_K_NORM, "norms of heads come in pairs");

// x += rms(y), where a branch ends with a norm.
static void add_normed_branch(const struct part *part, const struct tensor *weight)
{
    const struct share all = {0, N_EMBD};
    const struct share columns =
        part->n_tokens > 1 || MAKES_VECTORS ? all : share_of(N_EMBD, 16, part->core, part->n_cores);
    parallel_barrier(); // y is whole
    for (int t = part->tokens.begin; t < part->tokens.end; t++) {
        float *x = buffer(ACT_X) + t * N_EMBD + columns.begin;
        float *h = buffer(ACT_H) + t * N_EMBD; // which nobody reads between branches
        rmsnorm(h, buffer(ACT_Y) + t * N_EMBD, tensor_data(weight), N_EMBD, columns.begin,
                columns.end, RMS_EPS);
        if (RESIDUAL_SCALE != 1.0f) {
            vec_scale(h + columns.begin, h + columns.begin, RESIDUAL_SCALE,
                      columns.end - columns.begin);
        }
        vec_add(x, x, h + columns.begin, columns.end - columns.begin);
    }
}

// x = norm(x + y), what a branch of a model with layer norms ends with.
static void add_branch_and_norm(const struct part *part, const struct tensor *weight,
                                const struct tensor *bias)
{
    add_branch(part);
    parallel_barrier(); // x is whole
    for (int t = part->tokens.begin; t < part->tokens.end; t++) {
        float *x = buffer(ACT_X) + t * N_EMBD;
        layernorm(x, x, tensor_data(weight), tensor_data(bias), N_EMBD, RMS_EPS);
    }
}

// Rotates heads of q and k of token t, which is at position pos of its text, scales q, and puts k
// and v into the cache, in that row.
static inline void rope_and_append(int t, int pos, int row, struct share q_heads,
                                   struct share kv_heads, int layer)
{
    const bool local = BLOB_ROPE_LOCAL != BLOB_ROPE && layer_is_local[layer];
    const float *table = (const float *)(model_blob + (local ? BLOB_ROPE_LOCAL : BLOB_ROPE));
    const float *angles = table + (size_t)pos * N_ROT;
    const int n_q = q_heads.end - q_heads.begin, n_kv = kv_heads.end - kv_heads.begin;
    float *q = buffer(ACT_Q) + t * N_Q + q_heads.begin * HEAD_SIZE;
    float *k = buffer(ACT_K) + t * N_KV, *v = buffer(ACT_V) + t * N_KV;
    if (HAS_ATTN_Q_NORM) {
        norm_heads(q, layers[layer].attn_q_norm, n_q);
        norm_heads(k + kv_heads.begin * HEAD_SIZE, layers[layer].attn_k_norm, n_kv);
    }
    if (!LEARNED_POSITIONS) {
        ROPE(q, angles, n_q, HEAD_SIZE, N_ROT);
        ROPE(k + kv_heads.begin * HEAD_SIZE, angles, n_kv, HEAD_SIZE, N_ROT);
    }
    vec_scale(q, q, ATTN_SCALE, n_q * HEAD_SIZE);
    for (int h = kv_heads.begin; h < kv_heads.end; h++) {
        kv_cache_append(layer, h, row, k + h * HEAD_SIZE, v + h * HEAD_SIZE);
    }
}

#if MAKES_VECTORS
// This core's tokens of a text.
static struct share tokens_of(const struct part *part, const struct text *text)
{
    const int begin = text->first, end = begin + text->n;
    return (struct share){begin > part->tokens.begin ? begin : part->tokens.begin,
                          end < part->tokens.end ? end : part->tokens.end};
}

// Tokens [begin, end) of a text, as many at once as fill the rows that a load can serve.
static void attend_text(const struct text *text, struct share tokens, int layer)
{
    const int step = GROUP < ATTENTION_ROWS ? ATTENTION_ROWS / GROUP : 1;
    const size_t start = (size_t)text->row * kv_row_bytes(KV_TYPE, HEAD_SIZE);
    const int reach = ATTN_WINDOW != 0 && layer_is_local[layer] ? ATTN_WINDOW - 1 : N_CTX;
    for (int h = 0; h < N_HEAD_KV; h++) {
        const uint8_t *k = (const uint8_t *)kv_cache_k(layer, h) + start;
        const uint8_t *v = (const uint8_t *)kv_cache_v(layer, h) + start;
        for (int t = tokens.begin; t < tokens.end; t += step) {
            const int left = tokens.end - t, at = t * N_Q + h * GROUP * HEAD_SIZE;
            const int pos = t - text->first, n = left < step ? left : step;
            float *out = buffer(ACT_ATT) + at;
            const float *q = buffer(ACT_Q) + at;
            if (CAUSAL) {
                attention_f32(out, q, N_Q, k, v, pos + 1, n, GROUP, HEAD_SIZE);
            } else {
                attention_around_f32(out, q, N_Q, k, v, pos, text->n, n, GROUP, HEAD_SIZE, reach);
            }
        }
    }
}

// att = attention(q, k, v) of each text by itself. Cores share tokens: heads may be few.
static void attend(const struct part *part, int layer)
{
    const struct share q_heads = {0, N_HEAD}, kv_heads = {0, N_HEAD_KV};
    for (const struct text *text = part->texts; text != part->texts + part->n_texts; text++) {
        const struct share tokens = tokens_of(part, text);
        for (int t = tokens.begin; t < tokens.end; t++) {
            const int pos = t - text->first;
            rope_and_append(t, pos, text->row + pos, q_heads, kv_heads, layer);
        }
    }
    parallel_barrier(); // all keys are there
    for (const struct text *text = part->texts; text != part->texts + part->n_texts; text++) {
        const struct share tokens = tokens_of(part, text);
        if (tokens.begin < tokens.end) {
            nn_progress[part->core].token = tokens.begin;
            attend_text(text, tokens, layer);
        }
    }
}
#else
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
        const void *k = kv_cache_k(layer, kv_head), *v = kv_cache_v(layer, kv_head);
        const int n_keys = part->pos + t + 1;
        if (ATTN_WINDOW != 0 || ATTN_SOFTCAP != 0.0f) {
            const bool local = ATTN_WINDOW != 0 && layer_is_local[layer];
            ATTENTION_WINDOW(out + h * HEAD_SIZE, q + h * HEAD_SIZE, N_Q, k, v, n_keys, n_tokens, n,
                             HEAD_SIZE, local ? ATTN_WINDOW : N_CTX, ATTN_SOFTCAP);
        } else {
            ATTENTION(out + h * HEAD_SIZE, q + h * HEAD_SIZE, N_Q, k, v, n_keys, n_tokens, n,
                      HEAD_SIZE);
        }
        h += n;
    }
}

// att = attention(rope(q), rope(k), v). Where each core has whole kv heads, it reads only keys that
// it wrote itself; else there is a barrier more.
static void attend(const struct part *part, int layer)
{
    for (int t = 0; t < part->n_tokens; t++) {
        rope_and_append(t, part->pos + t, part->pos + t, part->q_heads, part->kv_heads, layer);
    }
    if (!part->whole_kv_heads) {
        parallel_barrier();
    }
    // As many tokens at once as fill the rows that a load can serve.
    const int step = GROUP < ATTENTION_ROWS ? ATTENTION_ROWS / GROUP : 1;
    for (int t = 0; t < part->n_tokens; t += step) {
        const int left = part->n_tokens - t;
        nn_progress[part->core].token = part->pos + t;
        attention_heads(part, part->q_heads, layer, t, left < step ? left : step);
    }
}
#endif

// q, k, v = Wq h, Wk h, Wv h, in this core's rows.
static void q_k_v(const struct part *part, const struct layer_tensors *w,
                  const struct activation *h)
{
    const struct share q_rows = part->q_rows, kv_rows = part->kv_rows;
    float *q = buffer(ACT_Q) + q_rows.begin;
    float *k = buffer(ACT_K) + kv_rows.begin, *v = buffer(ACT_V) + kv_rows.begin;
    matmul(q, N_Q, &w->attn_q, h, part->n_tokens, q_rows);
    matmul(k, N_KV, &w->attn_k, h, part->n_tokens, kv_rows);
    matmul(v, N_KV, &w->attn_v, h, part->n_tokens, kv_rows);
    if (HAS_ATTN_Q_BIAS) {
        add_bias(part, q, N_Q, w->attn_q_bias, q_rows);
    }
    if (HAS_ATTN_K_BIAS) {
        add_bias(part, k, N_KV, w->attn_k_bias, kv_rows);
    }
    if (HAS_ATTN_V_BIAS) {
        add_bias(part, v, N_KV, w->attn_v_bias, kv_rows);
    }
}

// The input of a branch: rms(x), or x where norms end branches.
static struct activation branch_input(const struct part *part, const struct tensor *norm,
                                      unsigned forms)
{
    return LAYER_NORMS ? part_quantised(part, buffer(ACT_X), N_EMBD, forms)
                       : part_normed(part, buffer(ACT_X), norm, forms, true);
}

// x += Wo attention(rope(Wq h), rope(Wk h), Wv h),  h = rms(x)
static void attention_block(const struct part *part, const struct layer_tensors *w, int layer)
{
    const unsigned forms =
        matmul_form(&w->attn_q) | matmul_form(&w->attn_k) | matmul_form(&w->attn_v);

    struct activation input = branch_input(part, &w->attn_norm, forms);
    q_k_v(part, w, &input);
    parallel_barrier();
    attend(part, layer);
    part_barrier(part, &w->attn_output, part->embd_rows);
    input = part_quantised(part, buffer(ACT_ATT), N_Q, matmul_form(&w->attn_output));
    float *y = buffer(ACT_Y) + part->embd_rows.begin;
    matmul(y, N_EMBD, &w->attn_output, &input, part->n_tokens, part->embd_rows);
    if (HAS_ATTN_OUTPUT_BIAS) {
        add_bias(part, y, N_EMBD, w->attn_output_bias, part->embd_rows);
    }
    if (LAYER_NORMS) {
        add_branch_and_norm(part, w->attn_output_norm, w->attn_output_norm_bias);
    } else if (HAS_POST_ATTENTION_NORM) {
        add_normed_branch(part, w->post_attention_norm);
    } else {
        add_branch(part);
    }
    part_barrier(part, FFN_GATED ? &w->ffn_gate : &w->ffn_up, part->ff_rows);
}

// gate = act(gate) * up, or act(gate), n of each token; a token every N_FF and up_stride floats.
static void act_times_up(float *gate, const float *up, size_t up_stride, int n_tokens, int n)
{
    for (int t = 0; t < n_tokens; t++, gate += N_FF, up += up_stride) {
        if (FFN_GELU) {
            vec_gelu(gate, gate, n);
        } else {
            vec_silu(gate, gate, n);
        }
        if (FFN_GATED) {
            vec_mul(gate, gate, up, n);
        }
    }
}

// gate = act(Wgate h) * (Wup h), in these rows; without a gate, gate = act(Wup h). up: room for
// Wup h.
static void gate_and_up_rows(const struct part *part, const struct layer_tensors *w,
                             const struct activation *h, struct share rows, float *up,
                             size_t up_stride)
{
    float *gate = buffer(ACT_GATE) + rows.begin;
    if (FFN_GATED) {
        matmul(gate, N_FF, &w->ffn_gate, h, part->n_tokens, rows);
        if (HAS_FFN_GATE_BIAS) {
            add_bias(part, gate, N_FF, w->ffn_gate_bias, rows);
        }
    } else {
        up = gate;
        up_stride = N_FF;
    }
    matmul(up, up_stride, &w->ffn_up, h, part->n_tokens, rows);
    if (HAS_FFN_UP_BIAS) {
        add_bias(part, up, up_stride, w->ffn_up_bias, rows);
    }
    act_times_up(gate, up, up_stride, part->n_tokens, rows.end - rows.begin);
}

// The same in this core's rows. Of several tokens, where Wup h would be large, some rows after the
// other, with room for those only.
static void gate_and_up(const struct part *part, const struct layer_tensors *w,
                        const struct activation *h)
{
    const struct share rows = part->ff_rows;
    if (ACT_UP_ROWS == 0 || part->n_tokens == 1) {
        gate_and_up_rows(part, w, h, rows, buffer(ACT_UP) + rows.begin, N_FF);
        return;
    }
    float *up = buffer(ACT_UP) + (size_t)part->core * N_BATCH * ACT_UP_ROWS;
    for (int begin = rows.begin; begin < rows.end; begin += ACT_UP_ROWS) {
        const int end = rows.end - begin < ACT_UP_ROWS ? rows.end : begin + ACT_UP_ROWS;
        gate_and_up_rows(part, w, h, (struct share){begin, end}, up, ACT_UP_ROWS);
    }
}

// x += Wdown (act(Wgate h) * (Wup h)),  h = rms(x). next: the matrix after these.
static void feed_forward_block(const struct part *part, const struct layer_tensors *w,
                               const struct tensor *next)
{
    const unsigned forms =
        (FFN_GATED ? matmul_form(&w->ffn_gate) : FORM_FLOAT) | matmul_form(&w->ffn_up);

    struct activation input = branch_input(part, &w->ffn_norm, forms);
    gate_and_up(part, w, &input);
    part_barrier(part, &w->ffn_down, part->embd_rows);
    input = part_quantised(part, buffer(ACT_GATE), N_FF, matmul_form(&w->ffn_down));
    float *y = buffer(ACT_Y) + part->embd_rows.begin;
    matmul(y, N_EMBD, &w->ffn_down, &input, part->n_tokens, part->embd_rows);
    if (HAS_FFN_DOWN_BIAS) {
        add_bias(part, y, N_EMBD, w->ffn_down_bias, part->embd_rows);
    }
    if (LAYER_NORMS) {
        add_branch_and_norm(part, w->layer_output_norm, w->layer_output_norm_bias);
    } else if (HAS_POST_FFW_NORM) {
        add_normed_branch(part, w->post_ffw_norm);
    } else {
        add_branch(part);
    }
    part_barrier(part, next, part->q_rows);
}

void layer_forward(const struct part *part, int layer)
{
    attention_block(part, &layers[layer], layer);
    feed_forward_block(part, &layers[layer],
                       layer + 1 < N_LAYER ? &layers[layer + 1].attn_q : NULL);
}
