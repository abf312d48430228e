// The operations, each twice: X in plain C is the specification, X_neon gives the same bits. Where
// a newer instruction set (nn/tier.h) does better there are also X_dotprod and X_i8mm.
//
// Callers include nn/ops.h, which chooses. out may be x in the element-wise operations.
// n, n_cols and sizes may be any number >= 0 unless said otherwise.
#pragma once

#include "lib/types.h"
#include "nn/kv_layout.h"

#define ATTENTION_CHUNK 64 // keys per step of the online softmax, at absolute positions

#define ATTENTION_ROWS     8   // query rows (a head of a token each) that a load of a key can serve
#define ATTENTION_MAX_HEAD 256 // elements

// The declaration of both forms of an operation.
#define OPERATION(type, name, ...)                                                                 \
    type name(__VA_ARGS__);                                                                        \
    type name##_neon(__VA_ARGS__)

// Sum of x[i] * y[i] over 16 lanes, see vec.c for the order.
OPERATION(float, vec_dot_f32, const float *x, const float *y, int n);
OPERATION(void, vec_add, float *out, const float *x, const float *y, int n);
OPERATION(void, vec_mul, float *out, const float *x, const float *y, int n);
OPERATION(void, vec_scale, float *out, const float *x, float scale, int n);
OPERATION(void, vec_silu, float *out, const float *x, int n);
OPERATION(void, vec_gelu, float *out, const float *x, int n);
OPERATION(void, vec_softcap, float *out, const float *x, float cap, int n); // cap > 0
#define GELU_LINE 0x1.988454p+0f                                            // 2 sqrt(2 / pi)
#define GELU_CUBE 0x1.2444f2p-4f                                            // 0.044715 times that

// The parts of a softmax. The largest: n >= 1, NaNs do not count, a zero has any sign.
OPERATION(float, vec_max, const float *x, int n);
OPERATION(void, vec_exp, float *x, float max, int n); // x[i] = e^(x[i] - max); x[i] <= max, or NaN
OPERATION(float, vec_sum, const float *x, int n);     // in four lanes i % 4; no -0 among them

// The first of x[i], x[i + 1], ... x[n - 1] that is above the limit, as a number; n: none is.
OPERATION(int, vec_next_above, const float *x, int i, int n, float limit);

// Elements [begin, end) of n >= 1; out may be x where these are all.
OPERATION(void, rmsnorm, float *out, const float *x, const float *w, int n, int begin, int end,
          float eps);
OPERATION(void, softmax, float *x, int n); // in place; n >= 1

// The same, and the q8_k form of what it writes. begin, end: multiples of 256; act: the first of
// (end - begin) / 256 of struct act_q8_k.
OPERATION(void, rmsnorm_q8_k, void *act, float *out, const float *x, const float *w, int n,
          int begin, int end, float eps);

// out may be x; n >= 1.
OPERATION(void, layernorm, float *out, const float *x, const float *w, const float *b, int n,
          float eps);

// x: [n_heads][head_size]; table_row: [n_rot / 2] pairs (cos, sin) of the position; n_rot even.
// Pairs are neighbours in rope; in rope_halves they lie n_rot / 2 apart.
OPERATION(void, rope, float *x, const float *table_row, int n_heads, int head_size, int n_rot);
OPERATION(void, rope_halves, float *x, const float *table_row, int n_heads, int head_size,
          int n_rot);

// n_heads query heads of n_tokens tokens, all sharing one kv head. q, out: [n_heads][head_size] of
// each token, tokens `stride` floats apart. Token t attends to keys 0 .. n_keys - 1 + t, and n_keys
// is 1 or more; head_size <= ATTENTION_MAX_HEAD. k, v: nn/kv_layout.h, of the type in the name.
#define ATTENTION(name)                                                                            \
    OPERATION(void, name, float *out, const float *q, int stride, const void *k, const void *v,    \
              int n_keys, int n_tokens, int n_heads, int head_size)
ATTENTION(attention_f16);
ATTENTION(attention_f32);
ATTENTION(attention_q8_0);
#undef ATTENTION

// The same where a token sees at most its last `window` keys (1 or more), itself among them, and
// where scores pass through vec_softcap; cap 0: they do not.
#define ATTENTION_WINDOW(name)                                                                     \
    OPERATION(void, name, float *out, const float *q, int stride, const void *k, const void *v,    \
              int n_keys, int n_tokens, int n_heads, int head_size, int window, float cap)
ATTENTION_WINDOW(attention_window_f16);
ATTENTION_WINDOW(attention_window_f32);
ATTENTION_WINDOW(attention_window_q8_0);
#undef ATTENTION_WINDOW

// The same where a token sees what is behind it as well: tokens pos, pos + 1, ... of a text of
// n_keys keys, each all those that are at most `reach` away from it (0 or more).
OPERATION(void, attention_around_f32, float *out, const float *q, int stride, const void *k,
          const void *v, int pos, int n_keys, int n_tokens, int n_heads, int head_size, int reach);

OPERATION(void, f32_to_f16_row, uint16_t *out, const float *x, int n);

// q: n integers, d: a half for each 32 of them or what is left: x[i] ~ d * q[i].
OPERATION(void, quantize_kv_q8_0, int8_t *q, uint16_t *d, const float *x, int n);

// act: n / 32 of struct act_q8_0, n / 256 of struct act_q8_k; n a multiple of that.
OPERATION(void, quantize_q8_0, void *act, const float *x, int n);
OPERATION(void, quantize_q8_k, void *act, const float *x, int n);

// out[row] = w[row] . x for n_rows_padded rows (whole tiles) of w_tiles (nn/tiles.h).
// act: floats for f32, f16, bf16; struct act_q8_0 for types in blocks of 32, struct act_q8_k for
// those in blocks of 256.
#define MATVEC(name)                                                                               \
    OPERATION(void, name, float *out, const void *w_tiles, const void *act, int n_rows_padded,     \
              int n_cols)
#define MATVEC_DOTPROD(name)                                                                       \
    MATVEC(name);                                                                                  \
    void name##_dotprod(float *out, const void *w_tiles, const void *act, int n_rows_padded,       \
                        int n_cols)
MATVEC(matvec_f32); // SDOT multiplies int8 only
MATVEC(matvec_f16);
MATVEC(matvec_bf16);
MATVEC_DOTPROD(matvec_q8_0);
MATVEC_DOTPROD(matvec_q4_0);
MATVEC_DOTPROD(matvec_q4_1);
MATVEC_DOTPROD(matvec_q5_0);
MATVEC_DOTPROD(matvec_q5_1);
MATVEC_DOTPROD(matvec_iq4_nl);
MATVEC_DOTPROD(matvec_q2_k);
MATVEC_DOTPROD(matvec_q3_k);
MATVEC_DOTPROD(matvec_q4_k);
MATVEC_DOTPROD(matvec_q5_k);
MATVEC_DOTPROD(matvec_q6_k);
MATVEC_DOTPROD(matvec_iq4_xs);
#undef MATVEC_DOTPROD
#undef MATVEC

// out[t * out_stride + row] = w[row] . x[t] for n_rows rows, any number of them, and n_tokens
// tokens; the last tile's padding is not written. act: the form as above, of token t at
// t * act_stride bytes. The same bits as the mat-vec of each token.
#define GEMM(name)                                                                                 \
    OPERATION(void, name, float *out, size_t out_stride, const void *w_tiles, const void *act,     \
              size_t act_stride, int n_tokens, int n_rows, int n_cols)
#define GEMM_DOTPROD(name)                                                                         \
    GEMM(name);                                                                                    \
    void name##_dotprod(float *out, size_t out_stride, const void *w_tiles, const void *act,       \
                        size_t act_stride, int n_tokens, int n_rows, int n_cols)
// SMMLA multiplies pairs of tokens: a mat-vec has none.
#define GEMM_TIERS(name)                                                                           \
    GEMM_DOTPROD(name);                                                                            \
    void name##_i8mm(float *out, size_t out_stride, const void *w_tiles, const void *act,          \
                     size_t act_stride, int n_tokens, int n_rows, int n_cols)
GEMM(gemm_f32);
GEMM(gemm_f16);
GEMM(gemm_bf16);
GEMM_TIERS(gemm_q8_0);
GEMM_TIERS(gemm_q4_0);
GEMM_TIERS(gemm_q4_k);
GEMM_TIERS(gemm_q6_k);
// No SMMLA: they are rare, and a CPU that has it has SDOT.
GEMM_DOTPROD(gemm_q4_1);
GEMM_DOTPROD(gemm_q5_0);
GEMM_DOTPROD(gemm_q5_1);
GEMM_DOTPROD(gemm_iq4_nl);
GEMM_DOTPROD(gemm_q2_k);
GEMM_DOTPROD(gemm_q3_k);
GEMM_DOTPROD(gemm_q5_k);
GEMM_DOTPROD(gemm_iq4_xs);
#undef GEMM_TIERS
#undef GEMM_DOTPROD
#undef GEMM
#undef OPERATION
