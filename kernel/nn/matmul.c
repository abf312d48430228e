// Dispatch on the weights' type and the number of tokens.
#include "nn/matmul.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "nn/ops.h"
#include "nn/tiles.h"

// X(name, type) of every type.
#define PRODUCTS(X)                                                                                \
    X(f32, TYPE_F32)                                                                               \
    X(f16, TYPE_F16)                                                                               \
    X(bf16, TYPE_BF16)                                                                             \
    X(q8_0, TYPE_Q8_0)                                                                             \
    X(q4_0, TYPE_Q4_0)                                                                             \
    X(q4_1, TYPE_Q4_1)                                                                             \
    X(q5_0, TYPE_Q5_0)                                                                             \
    X(q5_1, TYPE_Q5_1)                                                                             \
    X(iq4_nl, TYPE_IQ4_NL)                                                                         \
    X(q2_k, TYPE_Q2_K)                                                                             \
    X(q3_k, TYPE_Q3_K)                                                                             \
    X(q4_k, TYPE_Q4_K)                                                                             \
    X(q5_k, TYPE_Q5_K)                                                                             \
    X(q6_k, TYPE_Q6_K)                                                                             \
    X(iq4_xs, TYPE_IQ4_XS)

// Of the types that few models have, an image holds the products of its own model's: all of them
// would be as much code again.
#define IN_IMAGE(type) (PRODUCT_TYPES >> (type) & 1)

// The model's own come first: a product then costs fewer looks at its type.
#define IN_MODEL(type) (MATRIX_TYPES >> (type) & 1)

static uint8_t *quant_row(const struct activation *x, int t)
{
    return x->quant + (size_t)t * ACT_QUANT_ROW_SIZE;
}

static inline void prepare_q8_0(const struct activation *x, int t, struct share columns)
{
    struct act_q8_0 *blocks = (struct act_q8_0 *)quant_row(x, t);
    quantize_q8_0(blocks + (unsigned)columns.begin / QK8_0, x->x + (size_t)t * x->n + columns.begin,
                  columns.end - columns.begin);
}

static inline void prepare_q8_k(const struct activation *x, int t, struct share columns)
{
    struct act_q8_k *blocks = activation_q8_k(x, t);
    quantize_q8_k(blocks + (unsigned)columns.begin / QK_K, x->x + (size_t)t * x->n + columns.begin,
                  columns.end - columns.begin);
}

static __attribute__((noinline)) void prepare_tokens(const struct activation *x, unsigned forms,
                                                     struct share tokens, struct share columns)
{
    for (int t = tokens.begin; t < tokens.end; t++) {
        if (forms & FORM_Q8_0) {
            prepare_q8_0(x, t, columns);
        }
        if (forms & FORM_Q8_K) {
            prepare_q8_k(x, t, columns);
        }
    }
}

void activation_prepare(const struct activation *x, unsigned forms, struct share tokens,
                        struct share columns)
{
    // What a decoded token wants most often costs no register to save.
    if (tokens.end - tokens.begin == 1 && forms == FORM_Q8_K) {
        prepare_q8_k(x, tokens.begin, columns);
    } else {
        prepare_tokens(x, forms, tokens, columns);
    }
}

// The input's first token in the form that the type multiplies with; every stride bytes another.
struct input {
    const void *first;
    size_t stride;
};

static inline struct input input_of(uint32_t type, const struct activation *x)
{
    switch (form_of_type(type)) {
    case FORM_Q8_0:
        return (struct input){x->quant, ACT_QUANT_ROW_SIZE};
    case FORM_Q8_K:
        return (struct input){x->quant + ACT_QUANT_Q8_K, ACT_QUANT_ROW_SIZE};
    default:
        return (struct input){x->x, (size_t)x->n * sizeof(float)};
    }
}

// Of weights that are read again at once: half of a Cortex-A53's first data cache.
#define CACHED_BYTES 16384

typedef void matvec_function(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                             int n_cols);

// Rows of which the last tile is not whole. Apart: hardly a matrix has such rows, and the others
// shall not save registers for it.
static __attribute__((noinline)) void odd_rows(float *out, const uint8_t *tiles, const void *x,
                                               unsigned n_rows, unsigned n_tile_rows, int n_cols,
                                               size_t tile_bytes, matvec_function *multiply)
{
    const unsigned n_tiles = n_rows / n_tile_rows, n_whole = n_tiles * n_tile_rows;
    float rows[MAX_TILE_ROWS]; // also those that are not there
    multiply(rows, tiles + n_tiles * tile_bytes, x, (int)n_tile_rows, n_cols);
    memcpy(out + n_whole, rows, (n_rows - n_whole) * sizeof *out);
    multiply(out, tiles, x, (int)n_whole, n_cols);
}

// One token's product, for a type that is a constant: once per type, without a look at the others.
static inline __attribute__((always_inline)) void matvec(float *out, const struct tensor *w,
                                                         const void *x, struct share rows,
                                                         uint32_t type, matvec_function *multiply)
{
    const unsigned tile = (unsigned)tile_rows(type), begin = (unsigned)rows.begin;
    const unsigned n_rows = (unsigned)rows.end - begin;
    const size_t tile_bytes = tile_row_bytes(type, w->n_cols);
    const uint8_t *tiles = tensor_data(w);
    tiles += begin / tile * tile_bytes;
    if (n_rows % tile > 0) {
        odd_rows(out, tiles, x, n_rows, tile, (int)w->n_cols, tile_bytes, multiply);
    } else {
        multiply(out, tiles, x, (int)n_rows, (int)w->n_cols);
    }
}

#define MATVEC_CASE(is_wanted, name, type)                                                         \
    case type:                                                                                     \
        if (is_wanted) {                                                                           \
            matvec(out, w, input_of(type, x).first, rows, type, matvec_##name);                    \
            return;                                                                                \
        }                                                                                          \
        break;
#define MATVEC_IN_MODEL(name, type) MATVEC_CASE(IN_MODEL(type), name, type)
#define MATVEC_BESIDE(name, type)   MATVEC_CASE(IN_IMAGE(type) && !IN_MODEL(type), name, type)

static __attribute__((noinline)) void matvec_of_other_type(float *out, const struct tensor *w,
                                                           const struct activation *x,
                                                           struct share rows)
{
    switch (w->type) {
        PRODUCTS(MATVEC_BESIDE)
    default:
        break;
    }
    panic("matmul: no product for tensor type %u", (unsigned)w->type);
}

static void matvec_of_type(float *out, const struct tensor *w, const struct activation *x,
                           struct share rows)
{
    switch (w->type) {
        PRODUCTS(MATVEC_IN_MODEL)
    default:
        break;
    }
    matvec_of_other_type(out, w, x, rows);
}

static void gemm(float *out, size_t out_stride, uint32_t type, const void *w, struct input x,
                 int n_tokens, int n_rows, int n_cols)
{
    switch (type) {
#define GEMM(name, type)                                                                           \
    case type:                                                                                     \
        if (IN_IMAGE(type)) {                                                                      \
            gemm_##name(out, out_stride, w, x.first, x.stride, n_tokens, n_rows, n_cols);          \
            return;                                                                                \
        }                                                                                          \
        break;
        PRODUCTS(GEMM)
#undef GEMM
    default:
        break;
    }
    panic("matmul: no product for tensor type %u", (unsigned)type);
}

static const uint8_t *tile_of_row(const struct tensor *w, int row)
{
    const size_t tile_bytes = tile_row_bytes(w->type, w->n_cols);
    const unsigned n_tile_rows = (unsigned)matmul_tile_rows(w);
    return (const uint8_t *)tensor_data(w) + (unsigned)row / n_tile_rows * tile_bytes;
}

const void *matmul_first_tile(const struct tensor *w, int row)
{
    return tile_of_row(w, row);
}

static __attribute__((noinline)) void gemm_of_type(float *out, size_t stride,
                                                   const struct tensor *w,
                                                   const struct activation *x, int n_tokens,
                                                   struct share rows)
{
    gemm(out, stride, w->type, tile_of_row(w, rows.begin), input_of(w->type, x), n_tokens,
         rows.end - rows.begin, (int)w->n_cols);
}

static struct activation token_of(const struct activation *x, int t)
{
    return (struct activation){x->x + (size_t)t * x->n, x->n, quant_row(x, t)};
}

// A number of tokens that is not one of whole GEMMs: their rest goes through the mat-vec, while the
// weights that the GEMM has read are in the first cache.
static __attribute__((noinline)) void some_tokens(float *out, size_t stride, const struct tensor *w,
                                                  const struct activation *x, int n_tokens,
                                                  struct share rows)
{
    const int n_rest = n_tokens % GEMM_TOKENS;
    const bool with_rest = n_rest == GEMM_TOKENS - 1 && n_tokens > GEMM_TOKENS; // cheaper, counted
    const int n_whole = with_rest ? n_tokens : n_tokens - n_rest;
    const size_t tile_bytes = tile_row_bytes(w->type, w->n_cols);
    const int n_tiles = tile_bytes < CACHED_BYTES ? (int)(CACHED_BYTES / tile_bytes) : 1;
    const int n_cached = n_tiles * tile_rows(w->type);
    const int step = n_whole == n_tokens ? rows.end - rows.begin : n_cached;
    for (int begin = rows.begin; begin < rows.end; begin += step) {
        const struct share part = {begin, rows.end - begin < step ? rows.end : begin + step};
        if (n_whole > 0) {
            gemm_of_type(out, stride, w, x, n_whole, part);
        }
        for (int t = n_whole; t < n_tokens; t++) {
            const struct activation one = token_of(x, t);
            matvec_of_type(out + (size_t)t * stride, w, &one, part);
        }
        out += part.end - part.begin;
    }
}

void matmul(float *out, size_t stride, const struct tensor *w, const struct activation *x,
            int n_tokens, struct share rows)
{
    ASSERT((int)w->n_cols == x->n);
    if (n_tokens > 1) {
        some_tokens(out, stride, w, x, n_tokens, rows);
    } else {
        matvec_of_type(out, w, x, rows);
    }
}
