// Dispatch on the weights' type; int8 forms of the input are made when first needed.
#include "nn/matmul.h"

#include "gen/layout.h"
#include "lib/panic.h"
#include "nn/ops.h"
#include "nn/tiles.h"

struct activation activation_of(const float *x, int n)
{
    return (struct activation){.x = x, .n = n};
}

static uint8_t *quant_row(int t)
{
    return __activations_start + ACT_QUANT + (size_t)t * ACT_QUANT_ROW_SIZE;
}

static void need_q8_0(struct activation *x, int n_tokens)
{
    for (int t = 0; t < n_tokens && !x->has_q8_0; t++) {
        quantize_q8_0(quant_row(t), x->x + (size_t)t * x->n, x->n);
    }
    x->has_q8_0 = true;
}

static void need_q8_k(struct activation *x, int n_tokens)
{
    for (int t = 0; t < n_tokens && !x->has_q8_k; t++) {
        quantize_q8_k(quant_row(t) + ACT_QUANT_Q8_K, x->x + (size_t)t * x->n, x->n);
    }
    x->has_q8_k = true;
}

static void prepare(struct activation *x, uint32_t type, int n_tokens)
{
    if (type == TYPE_Q8_0 || type == TYPE_Q4_0) {
        need_q8_0(x, n_tokens);
    } else if (type == TYPE_Q4_K || type == TYPE_Q6_K) {
        need_q8_k(x, n_tokens);
    }
}

// Row t of the input in the form that the type multiplies with.
static void matvec(float *out, uint32_t type, const void *w, const struct activation *x, int t,
                   int n_rows_padded)
{
    const float *floats = x->x + (size_t)t * x->n;
    const void *q8_0 = quant_row(t), *q8_k = quant_row(t) + ACT_QUANT_Q8_K;
    switch (type) {
    case TYPE_F32:
        matvec_f32(out, w, floats, n_rows_padded, x->n);
        break;
    case TYPE_F16:
        matvec_f16(out, w, floats, n_rows_padded, x->n);
        break;
    case TYPE_BF16:
        matvec_bf16(out, w, floats, n_rows_padded, x->n);
        break;
    case TYPE_Q8_0:
        matvec_q8_0(out, w, q8_0, n_rows_padded, x->n);
        break;
    case TYPE_Q4_0:
        matvec_q4_0(out, w, q8_0, n_rows_padded, x->n);
        break;
    case TYPE_Q4_K:
        matvec_q4_k(out, w, q8_k, n_rows_padded, x->n);
        break;
    case TYPE_Q6_K:
        matvec_q6_k(out, w, q8_k, n_rows_padded, x->n);
        break;
    default:
        panic("matmul: no product for tensor type %u", (unsigned)type);
    }
}

void matmul(float *out, const struct tensor *w, struct activation *x, int n_tokens)
{
    ASSERT((int)w->n_cols == x->n);
    const uint8_t *tiles = tensor_data(w);
    const int n_rows = (int)w->n_rows, rows = tile_rows(w->type);
    const int n_whole = n_rows / rows * rows;

    prepare(x, w->type, n_tokens);
    for (int t = 0; t < n_tokens; t++, out += n_rows) {
        matvec(out, w->type, tiles, x, t, n_whole);
        if (n_whole < n_rows) { // the last tile computes rows that are not there
            float last[MAX_TILE_ROWS];
            const size_t row_bytes = tile_row_bytes(w->type, w->n_cols);
            matvec(last, w->type, tiles + n_whole / rows * row_bytes, x, t, rows);
            for (int r = n_whole; r < n_rows; r++) {
                out[r] = last[r - n_whole];
            }
        }
    }
}
