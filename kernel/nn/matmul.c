// Dispatch on the weights' type; int8 forms of the input are made when first needed.
#include "nn/matmul.h"

#include "gen/layout.h"
#include "lib/panic.h"
#include "nn/ops.h"
#include "nn/tiles.h"

static uint8_t *quant_row(const struct activation *x, int t)
{
    return x->quant + (size_t)t * ACT_QUANT_ROW_SIZE;
}

unsigned matmul_form(const struct tensor *w)
{
    switch (w->type) {
    case TYPE_Q8_0:
    case TYPE_Q4_0:
        return FORM_Q8_0;
    case TYPE_Q4_K:
    case TYPE_Q6_K:
        return FORM_Q8_K;
    default:
        return FORM_FLOAT;
    }
}

void activation_prepare(const struct activation *x, unsigned forms, int begin, int end)
{
    for (int t = begin; t < end; t++) {
        const float *floats = x->x + (size_t)t * x->n;
        if (forms & FORM_Q8_0) {
            quantize_q8_0(quant_row(x, t), floats, x->n);
        }
        if (forms & FORM_Q8_K) {
            quantize_q8_k(quant_row(x, t) + ACT_QUANT_Q8_K, floats, x->n);
        }
    }
}

// Row t of the input in the form that the type multiplies with.
static void matvec(float *out, uint32_t type, const void *w, const struct activation *x, int t,
                   int n_rows_padded)
{
    const float *floats = x->x + (size_t)t * x->n;
    const void *q8_0 = quant_row(x, t), *q8_k = quant_row(x, t) + ACT_QUANT_Q8_K;
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

struct share matmul_rows(const struct tensor *w, int core, int n_cores)
{
    return share_of((int)w->n_rows, MAX_TILE_ROWS, core, n_cores);
}

void matmul(float *out, const struct tensor *w, const struct activation *x, int n_tokens, int core,
            int n_cores)
{
    ASSERT((int)w->n_cols == x->n);
    const int n_rows = (int)w->n_rows, tile = tile_rows(w->type);
    const struct share rows = matmul_rows(w, core, n_cores);
    const int end = rows.end / tile * tile; // of the tiles with all their rows
    const uint8_t *tiles = tensor_data(w);
    const size_t tile_bytes = tile_row_bytes(w->type, w->n_cols);

    for (int t = 0; t < n_tokens; t++, out += n_rows) {
        if (rows.begin < end) {
            const uint8_t *first = tiles + (size_t)(rows.begin / tile) * tile_bytes;
            matvec(out + rows.begin, w->type, first, x, t, end - rows.begin);
        }
        if (end < rows.end) { // the last tile computes rows that are not there
            float last[MAX_TILE_ROWS];
            matvec(last, w->type, tiles + (size_t)(end / tile) * tile_bytes, x, t, tile);
            for (int r = end; r < rows.end; r++) {
                out[r] = last[r - end];
            }
        }
    }
}
