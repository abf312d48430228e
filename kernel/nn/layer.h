// One layer of the model.
#pragma once

#include "nn/part.h"

// What the model's architecture lacks takes no place.
struct layer_tensors {
    struct tensor attn_norm, attn_q, attn_k, attn_v, attn_output; // no attn_norm with LAYER_NORMS
    struct tensor ffn_norm, ffn_gate, ffn_up, ffn_down; // no ffn_norm likewise, no gate ungated
    struct tensor attn_q_bias[HAS_ATTN_Q_BIAS], attn_k_bias[HAS_ATTN_K_BIAS];
    struct tensor attn_v_bias[HAS_ATTN_V_BIAS], attn_output_bias[HAS_ATTN_OUTPUT_BIAS];
    struct tensor ffn_gate_bias[HAS_FFN_GATE_BIAS], ffn_up_bias[HAS_FFN_UP_BIAS];
    struct tensor ffn_down_bias[HAS_FFN_DOWN_BIAS];
    struct tensor attn_q_norm[HAS_ATTN_Q_NORM], attn_k_norm[HAS_ATTN_K_NORM]; // of each head
    struct tensor post_attention_norm[HAS_POST_ATTENTION_NORM], post_ffw_norm[HAS_POST_FFW_NORM];
    struct tensor attn_output_norm[HAS_ATTN_OUTPUT_NORM];
    struct tensor attn_output_norm_bias[HAS_ATTN_OUTPUT_NORM_BIAS];
    struct tensor layer_output_norm[HAS_LAYER_OUTPUT_NORM];
    struct tensor layer_output_norm_bias[HAS_LAYER_OUTPUT_NORM_BIAS];
};

// x = layer(x) in ACT_X, of all tokens of the part; keys and values go into the cache. All cores
// call it together, and x is whole when it returns.
void layer_forward(const struct part *part, int layer);
