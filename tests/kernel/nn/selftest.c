// NEON against the portable specification, bit for bit: random shapes and worst cases, fixed seed.
//
// No libc: the same file is the app of a kernel image and part of a program under user-mode
// emulation. One line per operation, `SELFTEST name ok (n cases)` or `SELFTEST name FAIL ...`.
#include "lib/f16.h"
#include "lib/format.h"
#include "lib/string.h"
#include "nn/activation.h"
#include "nn/kernels.h"
#include "nn/model.h"
#include "nn/row_get.h"
#include "nn/tier.h"
#include "nn/tile_values.h"

#include "selftest_random.h"

#define MAX_FLOATS   1024
#define MAX_COLS     1024
#define MAX_ROWS     40                   // more than the 16 that some twins take at a time
#define WEIGHT_BYTES (MAX_ROWS * 512 * 2) // 512 columns, or 100 of floats

static float a[MAX_FLOATS], b[MAX_FLOATS], want[MAX_FLOATS], got[MAX_FLOATS];
static union {
    struct act_q8_0 q8_0[MAX_COLS / QK8_0];
    struct act_q8_k q8_k[MAX_COLS / QK_K];
    float floats[MAX_COLS];
} act, act_got;

static struct {
    void (*print)(const char *line);
    const char *operation;
    int n_cases, n_failures, n_failed_operations;
} report;

static void begin(const char *operation)
{
    report.operation = operation;
    report.n_cases = report.n_failures = 0;
    memset(want, 0xa5, sizeof want); // what an operation must not touch stays equal in both
    memset(got, 0xa5, sizeof got);
}

static void end(void)
{
    char line[128];
    format(line, sizeof line, "SELFTEST %s %s (%d cases)\n", report.operation,
           report.n_failures == 0 ? "ok" : "FAIL", report.n_cases);
    report.print(line);
    report.n_failed_operations += report.n_failures != 0;
}

// size and other describe the case in a failure's message.
static void compare(const void *expected, const void *actual, size_t bytes, int size, int other)
{
    const uint8_t *e = expected, *g = actual;
    size_t i = 0;
    report.n_cases++;
    while (i < bytes && e[i] == g[i]) {
        i++;
    }
    if (i < bytes && report.n_failures++ < 3) {
        char line[128];
        format(line, sizeof line, "SELFTEST %s FAIL size %d, %d: byte %d is 0x%x, want 0x%x\n",
               report.operation, size, other, (int)i, (unsigned)g[i], (unsigned)e[i]);
        report.print(line);
    }
}

static void compare_out(int size, int other)
{
    compare(want, got, sizeof want, size, other);
}

#include "selftest_attention.h"

static void test_vec(void)
{
    begin("vec_dot_f32");
    for (int n = 0; n < 200; n++) {
        random_floats(a, n);
        random_floats(b, n);
        want[0] = vec_dot_f32(a, b, n);
        got[0] = vec_dot_f32_neon(a, b, n);
        compare_out(n, 0);
    }
    for (int i = 0; i < 100; i++) { // products so small that a lane becomes a negative zero
        a[i] = -0x1p-100f;
        b[i] = 0x1p-100f;
    }
    for (int n = 0; n < 100; n++) {
        want[0] = vec_dot_f32(a, b, n);
        got[0] = vec_dot_f32_neon(a, b, n);
        compare_out(n, 1);
    }
    end();

#define ELEMENT_WISE(name, ...)                                                                    \
    begin(#name);                                                                                  \
    for (int n = 0; n < 100; n++) {                                                                \
        random_floats(a, n);                                                                       \
        random_floats(b, n);                                                                       \
        name(want, __VA_ARGS__);                                                                   \
        name##_neon(got, __VA_ARGS__);                                                             \
        compare_out(n, 0);                                                                         \
    }                                                                                              \
    end()
    ELEMENT_WISE(vec_add, a, b, n);
    ELEMENT_WISE(vec_mul, a, b, n);
    ELEMENT_WISE(vec_scale, a, b[n > 0 ? n - 1 : 0], n);
    ELEMENT_WISE(vec_silu, a, n);
    ELEMENT_WISE(vec_gelu, a, n);
    ELEMENT_WISE(vec_softcap, a, 0.5f + (float)n, n);
    ELEMENT_WISE(rmsnorm, a, b, n, n / 4, n - n / 8, 1e-5f);
    ELEMENT_WISE(rmsnorm, a, b, n, 0, n, 1e-5f);
    ELEMENT_WISE(layernorm, a, b, a, n, 1e-5f);
}

// A maximum of which only the value counts: not a zero's sign, nor which NaN it is.
static float maximum(float max)
{
    return max == max ? max + 0.0f : -1.0f;
}

// The parts of a softmax, and the search for candidates.
static void test_vec_parts(void)
{
    begin("vec_max, vec_exp and vec_sum");
    for (int n = 1; n < 150; n++) {
        random_floats(a, n);
        if (n % 3 == 0) {
            poison(a, n);
        }
        want[0] = maximum(vec_max(a, n));
        got[0] = maximum(vec_max_neon(a, n));
        compare_out(n, 0);
        memcpy(want + 1, a, (size_t)n * sizeof *a);
        memcpy(got + 1, a, (size_t)n * sizeof *a);
        vec_exp(want + 1, want[0], n);
        vec_exp_neon(got + 1, got[0], n);
        compare_out(n, 1);
        want[0] = vec_sum(want + 1, n);
        got[0] = vec_sum_neon(got + 1, n);
        compare_out(n, 2);
    }
    end();

    begin("vec_next_above");
    for (int n = 0; n < 150; n++) {
        random_floats(a, n);
        if (n % 3 == 0) {
            poison(a, n);
        }
        for (int i = 0; i <= n; i++) { // the limit: rarely exceeded, or one of them
            const float limit = n > 0 ? i % 2 ? vec_max(a, 1 + n / 2) : a[random_below(n)] : 0.0f;
            const int next = vec_next_above(a, i, n, limit);
            const int next_neon = vec_next_above_neon(a, i, n, limit);
            compare(&next, &next_neon, sizeof next, n, i);
        }
    }
    end();
}

static void test_f16_row(void)
{
    begin("f32_to_f16_row");
    for (uint32_t i = 0; i < 70000; i++) { // around every half, its neighbours and the ties between
        const float half = f16_to_f32((uint16_t)i);
        uint32_t bits;
        memcpy(&bits, &half, sizeof bits);
        bits += i % 3 == 0 ? random_u32() & 0x1fff : (0x1000 & -(i & 1)) + i % 5 - 2;
        memcpy(&a[i % 64], &bits, sizeof bits);
        if (i % 64 == 63) {
            const int n = 8 + random_below(57);
            f32_to_f16_row((uint16_t *)want, a, n);
            f32_to_f16_row_neon((uint16_t *)got, a, n);
            compare_out(n, (int)i);
        }
    }
    end();
}

// exp shows through silu; the bit patterns first .. last in steps.
static void sweep_silu(uint32_t first, uint32_t last, uint32_t step)
{
    int n = 0;
    for (uint32_t bits = first; bits < last; bits += step) {
        memcpy(&a[n++], &bits, sizeof bits);
        if (n == 64) {
            vec_silu(want, a, n);
            vec_silu_neon(got, a, n);
            compare(want, got, (size_t)n * sizeof *want, (int)(bits >> 16), 0);
            n = 0;
        }
    }
}

static void test_exp(void)
{
    begin("vec_silu over the whole range");
    sweep_silu(0, 0x7f800000, 0x8003); // all finite numbers, coarsely
    sweep_silu(0x80000000, 0xff800000, 0x8003);
    sweep_silu(0x3a000000, 0x42b40000, 0x401); // 2^-11 .. 90, where exp does its work
    sweep_silu(0xba000000, 0xc2b40000, 0x61);
    end();
}

static void test_softmax(void)
{
    begin("softmax");
    for (int n = 1; n < 150; n++) {
        random_floats(want, n);
        if (n % 3 == 0) {
            poison(want, n);
        }
        memcpy(got, want, sizeof want);
        softmax(want, n);
        softmax_neon(got, n);
        compare_out(n, 0);
    }
    end();
}

typedef void rope_function(float *, const float *, int, int, int);

static void test_rope(const char *name, rope_function *plain, rope_function *neon)
{
    begin(name);
    for (int i = 0; i < 200; i++) {
        const int head_size = 2 * (1 + random_below(i < 190 ? 40 : 128));
        const int n_rot = 2 * (1 + random_below(head_size / 2));
        const int n_heads = 1 + random_below(MAX_FLOATS / head_size < 5 ? 3 : 5);
        random_floats(want, n_heads * head_size);
        random_floats(a, n_rot);
        memcpy(got, want, sizeof want);
        plain(want, a, n_heads, head_size, n_rot);
        neon(got, a, n_heads, head_size, n_rot);
        compare_out(head_size, n_rot);
    }
    end();
}

// Heads as the cache stores them: the last block of one may be shorter.
static void test_quantize_kv(void)
{
    begin("quantize_kv_q8_0");
    for (int n = 1; n <= ATTENTION_MAX_HEAD; n++) {
        uint16_t *want_d = (uint16_t *)want, *got_d = (uint16_t *)got;
        random_floats(a, n);
        if (n % 10 == 0) {
            memset(a, 0, (size_t)n / 2 * sizeof *a);
        }
        quantize_kv_q8_0((int8_t *)(want_d + 8), want_d, a, n);
        quantize_kv_q8_0_neon((int8_t *)(got_d + 8), got_d, a, n);
        compare_out(n, 0);
    }
    end();
}
#include "selftest_quantize.h"
#include "selftest_tiles.h"

typedef void matvec_function(float *, const void *, const void *, int, int);

// (Arguments rather than a table: an image has no relocations, so that constants can hold no
// addresses.)
static void test_matvec(const char *name, matvec_function *plain, matvec_function *neon,
                        uint32_t type)
{
    const int block = tile_block_cols(type);
    begin(name);
    for (int i = 0; i < 150; i++) {
        const bool floats = block == 1;
        const int rows = tile_rows(type);
        const int n_cols = floats ? random_below(100) : block * (1 + random_below(512 / block));
        const int n_rows = rows * (1 + random_below(MAX_ROWS / rows));
        const int flavour = i % 24;
        const bool extreme = !floats && flavour < 12;
        const size_t n_tiles = (size_t)(n_rows / rows) * (size_t)(n_cols / block);
        random_tiles(type, n_tiles, extreme ? flavour : 12);
        random_floats(a, n_cols);
        if (extreme) {
            extreme_floats(a, n_cols, flavour);
        }
        if (floats) {
            memcpy(act.floats, a, (size_t)n_cols * sizeof *a);
        } else if (block == QK8_0) {
            quantize_q8_0(act.q8_0, a, n_cols);
        } else {
            quantize_q8_k(act.q8_k, a, n_cols);
        }
        plain(want, weights, &act, n_rows, n_cols);
        neon(got, weights, &act, n_rows, n_cols);
        compare_out(n_cols, n_rows);
    }
    end();
}

static void test_row_get(const char *name, uint32_t type)
{
    const int block = tile_block_cols(type);
    begin(name);
    for (int i = 0; i < 150; i++) {
        const int n_rows = 2 * tile_rows(type);
        const int n_cols =
            block == 1 ? 1 + random_below(100) : block * (1 + random_below(512 / block));
        const struct tensor tensor = {type, (uint32_t)n_rows, (uint32_t)n_cols, 0};
        const int row = random_below(n_rows), first = random_below(n_cols);
        const int last = i % 2 ? n_cols : first + random_below(n_cols - first);
        random_tiles(type, 2 * (size_t)(n_cols / block), 12);
        model_init(weights);
        row_get(want, &tensor, row, first, last);
        row_get_neon(got, &tensor, row, first, last);
        compare_out(n_cols, row);
    }
    end();
}

#define TEST_MATVEC(name, ...) test_matvec(#name, name, name##_neon, __VA_ARGS__)

// And the twin of a tier, where the CPU has its instructions.
#define TEST_MATVEC_DOTPROD(name, ...)                                                             \
    TEST_MATVEC(name, __VA_ARGS__);                                                                \
    if (tier >= TIER_DOTPROD) {                                                                    \
        test_matvec(#name "_dotprod", name, name##_dotprod, __VA_ARGS__);                          \
    } else {                                                                                       \
        print("SELFTEST " #name "_dotprod not on this CPU\n");                                     \
    }

#include "selftest_gemm.h"

#define TEST_FLOATS(name, type)                                                                    \
    TEST_MATVEC(matvec_##name, TYPE_##type);                                                       \
    test_row_get("row_get of " #type, TYPE_##type);                                                \
    TEST_GEMM(gemm_##name, TYPE_##type)

// twins: TIERS or DOTPROD.
#define TEST_QUANTS(twins, name, type)                                                             \
    TEST_MATVEC_DOTPROD(matvec_##name, TYPE_##type);                                               \
    test_row_get("row_get of " #type, TYPE_##type);                                                \
    TEST_GEMM_##twins(gemm_##name, TYPE_##type)

// The number of operations that failed.
int nn_selftest(void (*print)(const char *line), enum nn_tier tier)
{
    report.print = print;
    report.n_failed_operations = 0;
    test_vec();
    test_vec_parts();
    test_f16_row();
    test_exp();
    test_softmax();
    test_rope("rope", rope, rope_neon);
    test_rope("rope_halves", rope_halves, rope_halves_neon);
    TEST_ATTENTION(f16);
    TEST_ATTENTION(f32);
    TEST_ATTENTION(q8_0);
    test_attention_around();
    test_quantize_kv();
    test_quantize();
    TEST_FLOATS(f32, F32);
    TEST_FLOATS(f16, F16);
    TEST_FLOATS(bf16, BF16);
    TEST_QUANTS(TIERS, q8_0, Q8_0);
    TEST_QUANTS(TIERS, q4_0, Q4_0);
    TEST_QUANTS(DOTPROD, q4_1, Q4_1);
    TEST_QUANTS(DOTPROD, q5_0, Q5_0);
    TEST_QUANTS(DOTPROD, q5_1, Q5_1);
    TEST_QUANTS(DOTPROD, iq4_nl, IQ4_NL);
    TEST_QUANTS(DOTPROD, q2_k, Q2_K);
    TEST_QUANTS(DOTPROD, q3_k, Q3_K);
    TEST_QUANTS(TIERS, q4_k, Q4_K);
    TEST_QUANTS(DOTPROD, q5_k, Q5_K);
    TEST_QUANTS(TIERS, q6_k, Q6_K);
    TEST_QUANTS(DOTPROD, iq4_xs, IQ4_XS);
    print(report.n_failed_operations == 0 ? "SELFTEST all ok\n" : "SELFTEST FAIL\n");
    return report.n_failed_operations;
}
