// The ways to multiply a K-quant matrix with a vector: dequantised and portable, portable, NEON.
// Then every tier's products of the integer types, with one token and with a batch.
#include "app/bench_kernels.h"

#include "app/cpu_tier.h"
#include "gen/layout.h"
#include "lib/format.h"
#include "lib/phase.h"
#include "lib/string.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/model.h"
#include "nn/row_get.h"
#include "nn/tier.h"
#include "nn/tiles.h"

#define N_COLS         1024
#define BLOCKS_PER_ROW (N_COLS / QK_K)
#define MAX_BLOCKS     512
#define MAX_ROWS       (MAX_BLOCKS / BLOCKS_PER_ROW)
#define BLOCK_BYTES    210 // of Q6_K, the larger of the two

#define N_TOKENS     16 // of a batch
#define PRODUCT_ROWS 32

// The batch lies behind the few rows it is for.
union weights {
    uint8_t blocks[MAX_BLOCKS * BLOCK_BYTES];
    struct {
        uint8_t rows[PRODUCT_ROWS * N_COLS / QK8_0 * sizeof(struct tile_q8_0) / QUANT_TILE_ROWS];
        _Alignas(16) uint8_t batch[N_TOKENS][N_COLS / QK8_0 * sizeof(struct act_q8_0)];
    };
};

// This kernel has no more room than the product, whose KV cache nobody uses here.
#define WEIGHTS_ROOM 0x20000
static_assert(sizeof(union weights) <= WEIGHTS_ROOM, "see below");
#if KV_CACHE_IN_IMAGE && REGION_KV_CACHE_SIZE >= WEIGHTS_ROOM
#define weights (*(union weights *)__kv_cache_start)
#else
static _Alignas(64) union weights weights;
#endif

static _Alignas(64) struct act_q8_k act[BLOCKS_PER_ROW];
static float x[N_COLS], row[N_COLS], want[MAX_ROWS], got[MAX_ROWS];
static float one[N_TOKENS][PRODUCT_ROWS], all[N_TOKENS][PRODUCT_ROWS];

typedef void matvec_function(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                             int n_cols);

static uint32_t random_u32(void)
{
    static uint64_t state = 0x853c49e6748fea9bu;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static void make_input(void)
{
    for (int i = 0; i < N_COLS; i++) {
        x[i] = (float)(int32_t)random_u32() * 0x1p-31f;
    }
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof weights.blocks; i++) {
        // Wherever the tile has its halves: below 2, never NaN.
        weights.blocks[i] = random_u32() & 0x3f;
    }
    make_input();
    quantize_q8_k(act, x, N_COLS);
}

static void report(void (*print)(const char *line), const char *type, const char *what, int n)
{
    char line[64];
    format(line, sizeof line, "BENCH %s %s %d\n", type, what, n);
    print(line);
}

static void dequantize(const struct tensor *tensor, int n_rows)
{
    PHASE_MARK(PHASE_KERNEL_BEGIN);
    for (int r = 0; r < n_rows; r++) {
        row_get(row, tensor, r, 0, (int)tensor->n_cols);
    }
    PHASE_MARK(PHASE_KERNEL_END);
}

static void dequantize_multiply(const struct tensor *tensor, int n_rows)
{
    PHASE_MARK(PHASE_KERNEL_BEGIN);
    for (int r = 0; r < n_rows; r++) {
        row_get(row, tensor, r, 0, (int)tensor->n_cols);
        want[r] = vec_dot_f32(row, x, N_COLS);
    }
    PHASE_MARK(PHASE_KERNEL_END);
}

static void multiply(matvec_function *matvec, float *out, int n_rows)
{
    PHASE_MARK(PHASE_KERNEL_BEGIN);
    matvec(out, weights.blocks, act, n_rows, N_COLS);
    PHASE_MARK(PHASE_KERNEL_END);
}

static void bench_type(void (*print)(const char *line), const char *name, uint32_t type,
                       matvec_function *portable, matvec_function *neon)
{
    for (int n_blocks = 32; n_blocks <= MAX_BLOCKS; n_blocks *= 4) {
        const int n_rows = n_blocks / BLOCKS_PER_ROW;
        const struct tensor tensor = {type, (uint32_t)n_rows, N_COLS, 0};
        dequantize(&tensor, n_rows);
        report(print, name, "dequantize", n_blocks);
        dequantize_multiply(&tensor, n_rows);
        report(print, name, "dequantize_multiply", n_blocks);
        multiply(portable, want, n_rows);
        report(print, name, "dot", n_blocks);
        multiply(neon, got, n_rows);
        report(print, name, "dot_neon", n_blocks);
        if (memcmp(want, got, sizeof want) != 0) {
            report(print, "FAIL", name, n_blocks);
        }
    }
}

typedef void gemm_function(float *out, size_t out_stride, const void *w_tiles, const void *act,
                           size_t act_stride, int n_tokens, int n_rows, int n_cols);

static void count_matvec(void (*print)(const char *line), const char *type, const char *what,
                         matvec_function *matvec)
{
    PHASE_MARK(PHASE_KERNEL_BEGIN);
    matvec(got, weights.rows, weights.batch, PRODUCT_ROWS, N_COLS);
    PHASE_MARK(PHASE_KERNEL_END);
    report(print, type, what, PRODUCT_ROWS * BLOCKS_PER_ROW);
    if (memcmp(one[0], got, sizeof one[0]) != 0) {
        report(print, "FAIL", type, 1);
    }
}

static void count_gemm(void (*print)(const char *line), const char *type, const char *what,
                       gemm_function *gemm)
{
    PHASE_MARK(PHASE_KERNEL_BEGIN);
    gemm(all[0], PRODUCT_ROWS, weights.rows, weights.batch, sizeof weights.batch[0], N_TOKENS,
         PRODUCT_ROWS, N_COLS);
    PHASE_MARK(PHASE_KERNEL_END);
    report(print, type, what, PRODUCT_ROWS * BLOCKS_PER_ROW);
    if (memcmp(one, all, sizeof one) != 0) {
        report(print, "FAIL", type, N_TOKENS);
    }
}

typedef void quantize_function(void *act, const float *x, int n);

// A batch, and what is right: by the portable mat-vec of each token.
static void make_batch(quantize_function *quantize, matvec_function *matvec)
{
    for (int t = 0; t < N_TOKENS; t++) {
        make_input();
        quantize(weights.batch[t], x, N_COLS);
        matvec(one[t], weights.rows, weights.batch[t], PRODUCT_ROWS, N_COLS);
    }
}

// Of each tier that this CPU has. A macro: a table of functions would need relocations.
#define BENCH_PRODUCTS(type, form)                                                                 \
    do {                                                                                           \
        make_batch(quantize_##form, matvec_##type);                                                \
        count_matvec(print, #type, "token_neon", matvec_##type##_neon);                            \
        count_gemm(print, #type, "batch_neon", gemm_##type##_neon);                                \
        if (best >= TIER_DOTPROD) {                                                                \
            count_matvec(print, #type, "token_dotprod", matvec_##type##_dotprod);                  \
            count_gemm(print, #type, "batch_dotprod", gemm_##type##_dotprod);                      \
        }                                                                                          \
        if (best >= TIER_I8MM) {                                                                   \
            count_gemm(print, #type, "batch_i8mm", gemm_##type##_i8mm);                            \
        }                                                                                          \
    } while (0)

void bench_kernels(void (*print)(const char *line))
{
    fill();
    model_init(weights.blocks);
    bench_type(print, "q4_k", TYPE_Q4_K, matvec_q4_k, matvec_q4_k_neon);
    bench_type(print, "q6_k", TYPE_Q6_K, matvec_q6_k, matvec_q6_k_neon);
    const enum nn_tier best = cpu_tier();
    BENCH_PRODUCTS(q8_0, q8_0);
    BENCH_PRODUCTS(q4_0, q8_0);
    BENCH_PRODUCTS(q4_k, q8_k);
    BENCH_PRODUCTS(q6_k, q8_k);
    print("BENCH end\n");
}
