// The ways to multiply a K-quant matrix with a vector: dequantised and portable, portable, NEON.
#include "app/bench_kernels.h"

#include "lib/format.h"
#include "lib/phase.h"
#include "lib/string.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/model.h"
#include "nn/row_get.h"
#include "nn/tiles.h"

#define N_COLS         1024
#define BLOCKS_PER_ROW (N_COLS / QK_K)
#define MAX_BLOCKS     512
#define MAX_ROWS       (MAX_BLOCKS / BLOCKS_PER_ROW)
#define BLOCK_BYTES    210 // of Q6_K, the larger of the two

static _Alignas(64) uint8_t weights[MAX_BLOCKS * BLOCK_BYTES];
static _Alignas(64) struct act_q8_k act[BLOCKS_PER_ROW];
static float x[N_COLS], row[N_COLS], want[MAX_ROWS], got[MAX_ROWS];

typedef void matvec_function(float *out, const void *w_tiles, const void *act, int n_rows_padded,
                             int n_cols);

static uint32_t random_u32(void)
{
    static uint64_t state = 0x853c49e6748fea9bu;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof weights; i++) {
        weights[i] = random_u32() & 0x3f; // wherever the tile has its halves: below 2, never NaN
    }
    for (int i = 0; i < N_COLS; i++) {
        x[i] = (float)(int32_t)random_u32() * 0x1p-31f;
    }
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
    matvec(out, weights, act, n_rows, N_COLS);
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

void bench_kernels(void (*print)(const char *line))
{
    fill();
    model_init(weights);
    bench_type(print, "q4_k", TYPE_Q4_K, matvec_q4_k, matvec_q4_k_neon);
    bench_type(print, "q6_k", TYPE_Q6_K, matvec_q6_k, matvec_q6_k_neon);
    print("BENCH end\n");
}
