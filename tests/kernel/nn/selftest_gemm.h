// Part of selftest.c: products with several tokens, against the mat-vec of each.
#pragma once

#define MAX_TOKENS    65 // more than the twins pack at once
#define GEMM_MAX_ROWS 36
#define MANY_ROWS     270                                // more than meet the packed tokens at once
#define GEMM_OUT      (MAX_TOKENS * (GEMM_MAX_ROWS + 2)) // floats of a result

// Where attention's values were: the activations, what is wanted, what is got.
#define GEMM_ACT_BYTES                                                                             \
    (MAX_TOKENS * 8 * sizeof(struct act_q8_0)) // other forms of all tokens are smaller
static_assert(GEMM_ACT_BYTES + 2 * GEMM_OUT * sizeof(float) <= sizeof *values, "all three fit");

static_assert((MANY_ROWS + 7) / 8 * sizeof(struct tile_q6_k) <= sizeof *keys, "one block of each");

typedef void gemm_function(float *, size_t, const void *, const void *, size_t, int, int, int);

// Activations of n_tokens tokens in the type's form, stride bytes apart.
static void fill_tokens(uint8_t *row, int n_tokens, int n_cols, size_t stride, int block,
                        int flavour)
{
    for (int t = 0; t < n_tokens; t++, row += stride) {
        random_floats(a, n_cols);
        if (flavour < 12) {
            extreme_floats(a, n_cols, flavour + t); // the signs differ from token to token
        }
        if (block == 1) {
            memcpy(row, a, (size_t)n_cols * sizeof *a);
        } else if (block == QK8_0) {
            quantize_q8_0(row, a, n_cols);
        } else {
            quantize_q8_k(row, a, n_cols);
        }
    }
}

// Of the memory's size: two blocks of 256 columns for few tokens, one for many.
static int random_blocks(int n_tokens, int block)
{
    if (block == 1) {
        return random_below(n_tokens > 16 ? 70 : 100);
    }
    return 1 + random_below((n_tokens > 16 ? 256 : 512) / block);
}

static void test_gemm(const char *name, gemm_function *plain, gemm_function *neon, uint32_t type)
{
    const int block = tile_block_cols(type);
    static const uint8_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 64, MAX_TOKENS};
    const size_t act_bytes = block == 1       ? sizeof(float)
                             : block == QK8_0 ? sizeof(struct act_q8_0)
                                              : sizeof(struct act_q8_k);
    uint8_t *x = (uint8_t *)values;
    float *expected = (float *)(x + GEMM_ACT_BYTES), *actual = expected + GEMM_OUT;
    begin(name);
    for (int i = 0; i < 96; i++) {
        const int n_tokens = tokens[i % (int)sizeof tokens];
        const bool many_rows = i % (int)sizeof tokens == 4 && block > 1;
        const int rows = tile_rows(type);
        const int n_rows =
            many_rows ? MANY_ROWS - random_below(8) : 1 + random_below(GEMM_MAX_ROWS);
        const int n_blocks = many_rows ? 1 : random_blocks(n_tokens, block);
        const int n_cols = n_blocks * block, flavour = block == 1 ? 12 : i / 3 % 24;
        const size_t stride =
            (size_t)n_blocks * act_bytes + (n_tokens > 16 ? 0 : 16 * (size_t)random_below(4));
        const size_t out_stride = (size_t)(n_rows + random_below(3));
        random_tiles(type, (size_t)((n_rows + rows - 1) / rows * n_blocks), flavour);
        fill_tokens(x, n_tokens, n_cols, stride, block, flavour);
        memset(expected, 0xa5, 2 * GEMM_OUT * sizeof *expected);
        plain(expected, out_stride, weights, x, stride, n_tokens, n_rows, n_cols);
        neon(actual, out_stride, weights, x, stride, n_tokens, n_rows, n_cols);
        compare(expected, actual, GEMM_OUT * sizeof *expected, n_tokens, n_rows);
    }
    end();
}

#define TEST_GEMM(name, ...) test_gemm(#name, name, name##_neon, __VA_ARGS__)

// And the twins of the tiers, where the CPU has their instructions.
#define TEST_GEMM_DOTPROD(name, ...)                                                               \
    TEST_GEMM(name, __VA_ARGS__);                                                                  \
    if (tier >= TIER_DOTPROD) {                                                                    \
        test_gemm(#name "_dotprod", name, name##_dotprod, __VA_ARGS__);                            \
    } else {                                                                                       \
        print("SELFTEST " #name "_dotprod not on this CPU\n");                                     \
    }

#define TEST_GEMM_TIERS(name, ...)                                                                 \
    TEST_GEMM_DOTPROD(name, __VA_ARGS__)                                                           \
    if (tier >= TIER_I8MM) {                                                                       \
        test_gemm(#name "_i8mm", name, name##_i8mm, __VA_ARGS__);                                  \
    } else {                                                                                       \
        print("SELFTEST " #name "_i8mm not on this CPU\n");                                        \
    }
