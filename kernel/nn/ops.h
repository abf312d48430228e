// The operations under their plain names: in a kernel the twin of the tier in use, on the host the
// portable form.
#pragma once

#include "nn/kernels.h"
#include "nn/tier.h"

#ifdef NN_NEON
#define vec_dot_f32    vec_dot_f32_neon
#define vec_add        vec_add_neon
#define vec_mul        vec_mul_neon
#define vec_scale      vec_scale_neon
#define vec_silu       vec_silu_neon
#define vec_gelu       vec_gelu_neon
#define vec_softcap    vec_softcap_neon
#define vec_max        vec_max_neon
#define vec_exp        vec_exp_neon
#define vec_sum        vec_sum_neon
#define vec_next_above vec_next_above_neon
#define rmsnorm        rmsnorm_neon
#define rmsnorm_q8_k   rmsnorm_q8_k_neon
#define softmax        softmax_neon
#define layernorm      layernorm_neon
#define rope           rope_neon
#define rope_halves    rope_halves_neon
#define attention_f16  attention_f16_neon
#define attention_f32  attention_f32_neon
#define attention_q8_0 attention_q8_0_neon

#define attention_window_f16  attention_window_f16_neon
#define attention_window_f32  attention_window_f32_neon
#define attention_window_q8_0 attention_window_q8_0_neon
#define attention_around_f32  attention_around_f32_neon

#define row_get          row_get_neon
#define f32_to_f16_row   f32_to_f16_row_neon
#define quantize_kv_q8_0 quantize_kv_q8_0_neon
#define quantize_q8_0    quantize_q8_0_neon
#define quantize_q8_k    quantize_q8_k_neon
#define matvec_f32       matvec_f32_neon
#define matvec_f16       matvec_f16_neon
#define matvec_bf16      matvec_bf16_neon
#define matvec_q8_0      matvec_q8_0_tier
#define matvec_q4_0      matvec_q4_0_tier
#define matvec_q4_1      matvec_q4_1_tier
#define matvec_q5_0      matvec_q5_0_tier
#define matvec_q5_1      matvec_q5_1_tier
#define matvec_iq4_nl    matvec_iq4_nl_tier
#define matvec_q2_k      matvec_q2_k_tier
#define matvec_q3_k      matvec_q3_k_tier
#define matvec_q4_k      matvec_q4_k_tier
#define matvec_q5_k      matvec_q5_k_tier
#define matvec_q6_k      matvec_q6_k_tier
#define matvec_iq4_xs    matvec_iq4_xs_tier

#define CHOOSE_MATVEC(name)                                                                        \
    static inline void name##_tier(float *out, const void *w_tiles, const void *act,               \
                                   int n_rows_padded, int n_cols)                                  \
    {                                                                                              \
        if (nn_tier >= TIER_DOTPROD) {                                                             \
            name##_dotprod(out, w_tiles, act, n_rows_padded, n_cols);                              \
        } else {                                                                                   \
            name##_neon(out, w_tiles, act, n_rows_padded, n_cols);                                 \
        }                                                                                          \
    }
CHOOSE_MATVEC(matvec_q8_0)
CHOOSE_MATVEC(matvec_q4_0)
CHOOSE_MATVEC(matvec_q4_1)
CHOOSE_MATVEC(matvec_q5_0)
CHOOSE_MATVEC(matvec_q5_1)
CHOOSE_MATVEC(matvec_iq4_nl)
CHOOSE_MATVEC(matvec_q2_k)
CHOOSE_MATVEC(matvec_q3_k)
CHOOSE_MATVEC(matvec_q4_k)
CHOOSE_MATVEC(matvec_q5_k)
CHOOSE_MATVEC(matvec_q6_k)
CHOOSE_MATVEC(matvec_iq4_xs)
#undef CHOOSE_MATVEC

#define gemm_f32    gemm_f32_neon
#define gemm_f16    gemm_f16_neon
#define gemm_bf16   gemm_bf16_neon
#define gemm_q8_0   gemm_q8_0_tier
#define gemm_q4_0   gemm_q4_0_tier
#define gemm_q4_1   gemm_q4_1_tier
#define gemm_q5_0   gemm_q5_0_tier
#define gemm_q5_1   gemm_q5_1_tier
#define gemm_iq4_nl gemm_iq4_nl_tier
#define gemm_q2_k   gemm_q2_k_tier
#define gemm_q3_k   gemm_q3_k_tier
#define gemm_q4_k   gemm_q4_k_tier
#define gemm_q5_k   gemm_q5_k_tier
#define gemm_q6_k   gemm_q6_k_tier
#define gemm_iq4_xs gemm_iq4_xs_tier

#define CHOOSE_GEMM(name, name_i8mm)                                                               \
    static inline void name##_tier(float *out, size_t out_stride, const void *w_tiles,             \
                                   const void *act, size_t act_stride, int n_tokens, int n_rows,   \
                                   int n_cols)                                                     \
    {                                                                                              \
        if (nn_tier >= TIER_I8MM) {                                                                \
            name_i8mm(out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols);        \
        } else if (nn_tier >= TIER_DOTPROD) {                                                      \
            name##_dotprod(out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols);   \
        } else {                                                                                   \
            name##_neon(out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols);      \
        }                                                                                          \
    }
CHOOSE_GEMM(gemm_q8_0, gemm_q8_0_i8mm)
CHOOSE_GEMM(gemm_q4_0, gemm_q4_0_i8mm)
CHOOSE_GEMM(gemm_q4_1, gemm_q4_1_dotprod)
CHOOSE_GEMM(gemm_q5_0, gemm_q5_0_dotprod)
CHOOSE_GEMM(gemm_q5_1, gemm_q5_1_dotprod)
CHOOSE_GEMM(gemm_iq4_nl, gemm_iq4_nl_dotprod)
CHOOSE_GEMM(gemm_q2_k, gemm_q2_k_dotprod)
CHOOSE_GEMM(gemm_q3_k, gemm_q3_k_dotprod)
CHOOSE_GEMM(gemm_q4_k, gemm_q4_k_i8mm)
CHOOSE_GEMM(gemm_q5_k, gemm_q5_k_dotprod)
CHOOSE_GEMM(gemm_q6_k, gemm_q6_k_i8mm)
CHOOSE_GEMM(gemm_iq4_xs, gemm_iq4_xs_dotprod)
#undef CHOOSE_GEMM
#endif
