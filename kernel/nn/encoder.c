// Texts to vectors: the tokens of all texts of a pass go through a layer before the next layer
// begins, then each text's are pooled. Cores share rows of matrices, tokens, columns or texts,
// never parts of a sum.
#include "nn/encoder.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/math.h"
#include "lib/panic.h"
#include "lib/phase.h"
#include "lib/string.h"
#include "nn/layer.h"
#include "nn/ops.h"
#include "nn/row_get.h"
#include "nn/transformer.h"

#if MAKES_VECTORS
static const struct tensor token_embd = TENSOR_TOKEN_EMBD;
static const struct tensor position_embd = TENSOR_POSITION_EMBD;
static const struct tensor token_types = TENSOR_TOKEN_TYPES;
static const struct tensor token_embd_norm = TENSOR_TOKEN_EMBD_NORM;
static const struct tensor token_embd_norm_bias = TENSOR_TOKEN_EMBD_NORM_BIAS;
static const struct tensor output_norm = TENSOR_OUTPUT_NORM;
static const struct tensor dense_2 = TENSOR_DENSE_2, dense_3 = TENSOR_DENSE_3;

static struct {
    const uint32_t *ids;
    struct text texts[N_TEXTS];
    int n_texts, n_tokens, layer;
    enum pooling pooling;
    float lengths[N_TEXTS];
} pass;

static struct part part_of_pass(int core, int n_cores)
{
    struct part part = part_of(core, n_cores, pass.n_tokens, 0);
    part.texts = pass.texts;
    part.n_texts = pass.n_texts;
    return part;
}

// x = E[id] * scale, or norm(E[id] + type + position). row: N_EMBD floats to work with.
static void embed_token(float *x, float *row, uint32_t id, int pos)
{
    row_get(x, &token_embd, (int)id, 0, N_EMBD);
    if (EMBEDDING_SCALE != 1.0f) {
        vec_scale(x, x, EMBEDDING_SCALE, N_EMBD);
    }
    if (LEARNED_POSITIONS) {
        row_get(row, &token_types, 0, 0, N_EMBD); // a text is of the first type
        vec_add(x, x, row, N_EMBD);
        row_get(row, &position_embd, pos, 0, N_EMBD);
        vec_add(x, x, row, N_EMBD);
    }
    if (LAYER_NORMS) {
        layernorm(x, x, tensor_data(&token_embd_norm), tensor_data(&token_embd_norm_bias), N_EMBD,
                  RMS_EPS);
    }
}

static void embed_part(int core, int n_cores, void *arg)
{
    (void)arg;
    const struct part part = part_of_pass(core, n_cores);
    for (const struct text *text = pass.texts; text != pass.texts + pass.n_texts; text++) {
        for (int pos = 0; pos < text->n; pos++) {
            const int t = text->first + pos;
            if (t >= part.tokens.begin && t < part.tokens.end) {
                embed_token(buffer(ACT_X) + t * N_EMBD, buffer(ACT_H) + t * N_EMBD, pass.ids[t],
                            pos);
            }
        }
    }
}

void encoder_begin(const uint32_t *ids, const uint32_t *sizes, int n_texts)
{
    ASSERT(n_texts >= 1 && n_texts <= N_TEXTS);
    pass.ids = ids;
    pass.n_texts = n_texts;
    pass.n_tokens = 0;
    int row = 0;
    for (int i = 0; i < n_texts; i++) {
        const int n = (int)sizes[i];
        ASSERT(n >= 1 && n <= N_CTX - pass.n_tokens);
        pass.texts[i] = (struct text){pass.n_tokens, n, row};
        pass.n_tokens += n;
        row += (n + KV_TILE - 1) / KV_TILE * KV_TILE;
    }
    ASSERT(row <= N_CTX_PADDED);
    for (int t = 0; t < pass.n_tokens; t++) {
        ASSERT(ids[t] < N_VOCAB_ROWS);
    }
    PHASE_MARK(PHASE_PREFILL_BEGIN);
    parallel_run(embed_part, NULL);
}

static void layer_part(int core, int n_cores, void *arg)
{
    (void)arg;
    const struct part part = part_of_pass(core, n_cores);
    nn_progress[core].layer = pass.layer;
    nn_progress[core].token = part.tokens.begin;
    layer_forward(&part, pass.layer);
    nn_progress[core].layer = -1;
}

void encoder_layer(int layer)
{
    pass.layer = layer;
    parallel_run(layer_part, NULL);
}

// out = the text's vector, from its tokens' in h, columns by columns.
static void pool(float *out, const float *h, const struct text *text, struct share columns)
{
    const int n = columns.end - columns.begin;
    const int first = pass.pooling == POOLING_LAST ? text->n - 1 : 0;
    h += (text->first + first) * N_EMBD + columns.begin;
    out += columns.begin;
    memcpy(out, h, (size_t)n * sizeof *out);
    if (pass.pooling == POOLING_MEAN) {
        for (int t = 1; t < text->n; t++) {
            h += N_EMBD;
            vec_add(out, out, h, n);
        }
        vec_scale(out, out, 1.0f / (float)text->n, n);
    }
}

// vectors = W3 W2 pooled
static void dense(int core, int n_cores)
{
    struct part texts = part_of(core, n_cores, pass.n_texts, 0);
    struct activation input =
        part_quantised(&texts, buffer(ACT_POOLED), N_EMBD, matmul_form(&dense_2));
    const struct share rows = matmul_rows(N_DENSE, core, n_cores);
    matmul(buffer(ACT_DENSE) + rows.begin, N_DENSE, &dense_2, &input, pass.n_texts, rows);
    parallel_barrier();
    input = part_quantised(&texts, buffer(ACT_DENSE), N_DENSE, matmul_form(&dense_3));
    matmul(buffer(ACT_VECTORS) + texts.embd_rows.begin, N_EMBD, &dense_3, &input, pass.n_texts,
           texts.embd_rows);
    parallel_barrier();
}

static void end_part(int core, int n_cores, void *arg)
{
    (void)arg;
    const struct part part = part_of_pass(core, n_cores);
    nn_progress[core].layer = N_LAYER;
    if (!LAYER_NORMS) {
        for (int t = part.tokens.begin; t < part.tokens.end; t++) {
            rmsnorm(buffer(ACT_H) + t * N_EMBD, buffer(ACT_X) + t * N_EMBD,
                    tensor_data(&output_norm), N_EMBD, 0, N_EMBD, RMS_EPS);
        }
        parallel_barrier();
    }
    const struct share columns = share_of(N_EMBD, 16, core, n_cores);
    float *pooled = buffer(HAS_DENSE ? ACT_POOLED : ACT_VECTORS);
    for (int i = 0; i < pass.n_texts; i++) {
        pool(pooled + i * N_EMBD, buffer(LAYER_NORMS ? ACT_X : ACT_H), &pass.texts[i], columns);
    }
    parallel_barrier();
    if (HAS_DENSE) {
        dense(core, n_cores);
    }
    const struct share texts = share_of(pass.n_texts, 1, core, n_cores);
    for (int i = texts.begin; i < texts.end; i++) {
        float *vector = buffer(ACT_VECTORS) + i * N_EMBD;
        const float length = sqrt_f32(vec_dot_f32(vector, vector, N_EMBD));
        vec_scale(vector, vector, length > 0.0f ? 1.0f / length : 0.0f, N_EMBD);
        pass.lengths[i] = length;
    }
    nn_progress[core].layer = -1;
}

void encoder_end(enum pooling pooling)
{
    ASSERT(pooling != POOLING_NONE);
    pass.pooling = pooling;
    parallel_run(end_part, NULL);
    PHASE_MARK(PHASE_PREFILL_END);
}

const float *encoder_vector(int text)
{
    return buffer(ACT_VECTORS) + text * N_EMBD;
}

float encoder_length(int text)
{
    return pass.lengths[text];
}
#else
typedef int this_model_makes_no_vectors; // a file of C holds something
#endif
