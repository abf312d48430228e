// Dispatch on the weights' type and the number of tokens.
#include "nn/matmul.h"

#include "gen/layout.h"
#include "lib/panic.h"
#include "nn/ops.h"
#include "nn/tiles.h"

static uint8_t *quant_row(const struct activation *x, int t)
{
    return x->quant + (size_t)t * ACT_QUANT_ROW_SIZE;
}

void activation_prepare(const struct activation *x, unsigned forms, struct share tokens,
                        struct share columns)
{
    const int begin = columns.begin, n = columns.end - begin;
    for (int t = tokens.begin; t < tokens.end; t++) {
        const float *floats = x->x + (size_t)t * x->n + begin;
        if (forms & FORM_Q8_0) {
            struct act_q8_0 *blocks = (struct act_q8_0 *)quant_row(x, t);
            quantize_q8_0(blocks + begin / QK8_0, floats, n);
        }
        if (forms & FORM_Q8_K) {
            struct act_q8_k *blocks = (struct act_q8_k *)(quant_row(x, t) + ACT_QUANT_Q8_K);
            quantize_q8_k(blocks + begin / QK_K, floats, n);
        }
    }
}

// The input's first token in the form that the type multiplies with; every stride bytes another.
struct input {
    const void *first;
    size_t stride;
};

static struct input input_of(const struct tensor *w, const struct activation *x)
{
    switch (matmul_form(w)) {
    case FORM_Q8_0:
        return (struct input){x->quant, ACT_QUANT_ROW_SIZE};
    case FORM_Q8_K:
        return (struct input){x->quant + ACT_QUANT_Q8_K, ACT_QUANT_ROW_SIZE};
    default:
        return (struct input){x->x, (size_t)x->n * sizeof(float)};
    }
}

static void matvec(float *out, uint32_t type, const void *w, const void *x, int n_rows_padded,
                   int n_cols)
{
    switch (type) {
    case TYPE_F32:
        matvec_f32(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_F16:
        matvec_f16(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_BF16:
        matvec_bf16(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_Q8_0:
        matvec_q8_0(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_Q4_0:
        matvec_q4_0(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_Q4_K:
        matvec_q4_k(out, w, x, n_rows_padded, n_cols);
        break;
    case TYPE_Q6_K:
        matvec_q6_k(out, w, x, n_rows_padded, n_cols);
        break;
    default:
        panic("matmul: no product for tensor type %u", (unsigned)type);
    }
}

static void gemm(float *out, size_t out_stride, uint32_t type, const void *w, struct input x,
                 int n_tokens, int n_rows, int n_cols)
{
    switch (type) {
    case TYPE_F32:
        gemm_f32(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_F16:
        gemm_f16(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_BF16:
        gemm_bf16(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_Q8_0:
        gemm_q8_0(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_Q4_0:
        gemm_q4_0(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_Q4_K:
        gemm_q4_k(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    case TYPE_Q6_K:
        gemm_q6_k(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);
        break;
    default:
        panic("matmul: no product for tensor type %u", (unsigned)type);
    }
}

void matmul(float *out, const struct tensor *w, const struct activation *x, int n_tokens, int core,
            int n_cores)
{
    ASSERT((int)w->n_cols == x->n);
    const struct share rows = matmul_rows(w, core, n_cores);
    const struct input input = input_of(w, x);
    const int tile = tile_rows(w->type), n_cols = (int)w->n_cols;
    const size_t tile_bytes = tile_row_bytes(w->type, w->n_cols);
    const uint8_t *tiles = (const uint8_t *)tensor_data(w) + rows.begin / tile * tile_bytes;
    const int n_rows = rows.end - rows.begin, n_whole = n_rows / tile * tile;

    out += rows.begin;
    if (n_tokens > 1) {
        gemm(out, w->n_rows, w->type, tiles, input, n_tokens, n_rows, n_cols);
        return;
    }
    matvec(out, w->type, tiles, input.first, n_whole, n_cols);
    if (n_whole < n_rows) { // the last tile computes rows that are not there
        float last[MAX_TILE_ROWS];
        matvec(last, w->type, tiles + n_whole / tile * tile_bytes, input.first, tile, n_cols);
        for (int r = n_whole; r < n_rows; r++) {
            out[r] = last[r - n_whole];
        }
    }
}
