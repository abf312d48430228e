// Part of selftest.c: activations to int8, by themselves and behind a norm.
#pragma once

static void test_quantize(void)
{
    begin("quantize_q8_0 and q8_k");
    for (int i = 0; i < 100; i++) {
        const int n = QK_K * (1 + random_below(MAX_COLS / QK_K));
        random_floats(a, n);
        if (i % 10 == 0) { // a block of zeros, one too small, ties
            memset(a, 0, QK8_0 * sizeof *a);
            for (int j = QK8_0; j < 2 * QK8_0; j++) {
                a[j] = 0x1p-101f;
                a[j + QK8_0] = j == QK8_0 ? 127.0f : (float)(j % 7) - 3.5f;
            }
        }
        quantize_q8_0(act.q8_0, a, n);
        quantize_q8_0_neon(act_got.q8_0, a, n);
        compare(&act, &act_got, (size_t)n / QK8_0 * sizeof *act.q8_0, n, 0);
        quantize_q8_k(act.q8_k, a, n);
        quantize_q8_k_neon(act_got.q8_k, a, n);
        compare(&act, &act_got, (size_t)n / QK_K * sizeof *act.q8_k, n, 1);
    }
    end();
    begin("rmsnorm_q8_k");
    for (int i = 0; i < 60; i++) {
        const int n_blocks = 1 + random_below(MAX_COLS / QK_K), n = n_blocks * QK_K;
        const int first = random_below(n_blocks), begin_at = first * QK_K;
        const int end_at = n - random_below(n_blocks - first) * QK_K;
        random_floats(a, n);
        random_floats(b, n);
        if (i % 10 == 0) { // a block that becomes zero
            memset(b + begin_at, 0, QK_K * sizeof *b);
        }
        const size_t bytes = (size_t)(end_at - begin_at) / QK_K * sizeof *act.q8_k;
        rmsnorm_q8_k(act.q8_k, want, a, b, n, begin_at, end_at, 1e-5f);
        rmsnorm_q8_k_neon(act_got.q8_k, got, a, b, n, begin_at, end_at, 1e-5f);
        compare(&act, &act_got, bytes, n, begin_at);
        compare_out(n, begin_at);
    }
    end();
}
