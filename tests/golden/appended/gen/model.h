// Model constants and tensor table: golden F32. Generated; do not edit.
#pragma once

#include "nn/model.h" // struct tensor

#define MODEL_NAME "golden F32" // printable ASCII, escaped
#define BUILD_ID 0x515039fce76fdab7ull

#define N_VOCAB 42 // tokens in the vocabulary
#define N_VOCAB_ROWS 42 // rows of the output matrix = logits
#define N_EMBD 64
#define N_LAYER 2
#define N_HEAD 4
#define N_HEAD_KV 2
#define HEAD_SIZE 16
#define N_ROT 16
#define N_FF 92
#define N_CTX 100
#define N_CTX_PADDED 128
#define N_BATCH 16
#define N_LOGIT_ROWS 9 // of one forward pass: 1, and the tokens guessed behind the newest
#define PRODUCT_TYPES 0x40005107ull // bits: 1 << type of which products are here
#define MATRIX_TYPES 0x1ull // the same, of the matrices that the model multiplies with
#define RMS_EPS 0x1.4f8b58p-17f // of any norm
#define ATTN_SCALE 0x1p-2f // 1 / sqrt(HEAD_SIZE) but in some

// What distinguishes this architecture from llama; the compiler drops what is 0 or a factor of 1.
#define ROPE_HALVES 0 // 1: pairs (i, i + N_ROT / 2); 0: (2i, 2i + 1)
#define EMBEDDING_SCALE 0x1p+0f
#define RESIDUAL_SCALE 0x1p+0f
#define LOGIT_SCALE 0x1p+0f
#define LOGIT_SOFTCAP 0x0p+0f
#define ATTN_SOFTCAP 0x0p+0f
#define ATTN_WINDOW 0 // keys that a local layer sees, where that is not all
#define LAYER_IS_LOCAL {0}
#define FFN_GELU 0
#define FFN_GATED 1
#define LAYER_NORMS 0 // 1: a norm with mean and bias of each sum, no RMS norms
#define LEARNED_POSITIONS 0 // 1: position_embd and token_types, no rope
#define MAKES_VECTORS 0 // 1: texts become vectors; no cache, no logits
#define CAUSAL 1 // 0: tokens see those behind them too
#define HAS_ATTN_Q_BIAS 0
#define HAS_ATTN_K_BIAS 0
#define HAS_ATTN_V_BIAS 0
#define HAS_ATTN_OUTPUT_BIAS 0
#define HAS_FFN_GATE_BIAS 0
#define HAS_FFN_UP_BIAS 0
#define HAS_FFN_DOWN_BIAS 0
#define HAS_ATTN_Q_NORM 0
#define HAS_ATTN_K_NORM 0
#define HAS_POST_ATTENTION_NORM 0
#define HAS_POST_FFW_NORM 0
#define HAS_ATTN_OUTPUT_NORM 0
#define HAS_LAYER_OUTPUT_NORM 0
#define HAS_ATTN_OUTPUT_NORM_BIAS 0
#define HAS_LAYER_OUTPUT_NORM_BIAS 0

#define KV_TYPE KV_TYPE_F16 // nn/kv_layout.h
#define KV_K_OFFSET 0x0ull
#define KV_V_OFFSET 0x4000ull

#define TOKEN_BOS 1 // -1: none
#define TOKEN_EOS 2
#define TOKEN_UNK 0
#define ADD_BOS 1
#define ADD_EOS 0
#define ADD_SPACE_PREFIX 1
#define TOKENIZER TOKENIZER_LLAMA // llm/vocabulary.h
#define IGNORE_MERGES 0 // a piece that is a token is taken whole
#define N_EOG 1
#define EOG_IDS {2}
#define MAX_TOKEN_BYTES 5 // longest text of one token

// What the chat template writes around turns. A number below CHAT_TOKEN is a byte of text, others are
// CHAT_TOKEN + the id of a special token.
#define CHAT_TOKEN 256
#define CHAT_END 0xffffffffu
#define CHAT_TEMPLATE 0 // 0: text goes to the model as it is
#define CHAT_HAS_SYSTEM 0 // 1: it may begin with a system turn
#define CHAT_OPEN {CHAT_END} // before the user's words, first of all
#define CHAT_OPEN_SYSTEM {CHAT_END} // before those of the system
#define CHAT_SYSTEM_USER {CHAT_END} // from the system's words to the user's
#define CHAT_ASK {CHAT_END} // from the user's words to the reply to generate
#define CHAT_TOLD {CHAT_END} // from the user's words to a reply that is given
#define CHAT_AGAIN {CHAT_END} // from the reply to the user's words
#define CHAT_MARKS {CHAT_END} // tokens of it that text could spell
#define CHAT_WORDS {0} // texts that no turn may hold: each ends with 0, all of them with another
// White space that goes: 1 left, 2 right of the words that follow the piece.
#define CHAT_TRIM_OPEN 0
#define CHAT_TRIM_OPEN_SYSTEM 0
#define CHAT_TRIM_SYSTEM_USER 0
#define CHAT_TRIM_TOLD 0
#define CHAT_TRIM_AGAIN 0
#define SYSTEM_LINE "" // the machine's facts follow it; "": none wanted

#define BLOB_SIZE 0x42140ull
#define BLOB_ROPE 0x40540ull // float32 [N_CTX][N_ROT / 2][2]
#define BLOB_ROPE_LOCAL BLOB_ROPE

// Tables of the vocabulary, 0: this kind of tokenizer has none.
#define BLOB_TOKEN_TEXT_OFFSET 0x41e40ull // u32 [N_VOCAB + 1]
#define BLOB_TOKEN_TEXT 0x41f00ull // byte-level BPE: the bytes themselves
#define BLOB_TOKEN_TYPE 0x41f80ull // u8 [N_VOCAB]
#define N_SPECIAL 0
#define BLOB_TOKEN_SPECIAL 0x41fc0ull // u32 [N_SPECIAL]: ids | SPECIAL_SWALLOWS_SPACE, the longest text first
#define BLOB_TOKEN_RANK 0x41fc0ull // u32 [N_VOCAB]
#define N_SORTED 42
#define BLOB_TOKEN_SORTED 0x42080ull // u32 [N_SORTED]: ids by (text, id)
#define BLOB_BYTE_TOKEN 0 // u32 [256]
#define BLOB_MERGE_FIRST 0 // u32 [N_VOCAB + 1]: a token's first merge, as the left one
#define BLOB_MERGE 0 // u32 [][3]: right token, rank, merged token; by (left, right)
#define N_PRE_RUNS 0
#define BLOB_PRE_CLASS 0 // u32 [N_PRE_RUNS]: first code point << 8 | class, ascending
#define N_PRE_CLASSES 0
#define BLOB_PRE_TABLE 0 // u8 [][N_PRE_CLASSES]: 0x80 if the text so far is a match | next state
#define N_PRE_REGEXES 0
#define N_FOLD_RUNS 0
#define BLOB_FOLD 0 // u32 [N_FOLD_RUNS][2]: first code point | kind << 24, what it becomes
#define BLOB_PRE_START 0 // u8 [N_PRE_REGEXES]: the state that each begins with

// Offsets from the blob's start. n_rows as in the model (the tiles may hold more rows).
#define TENSOR_TOKEN_EMBD {TYPE_F32, 42, 64, 0x40ull}
#define TENSOR_OUTPUT_NORM {TYPE_F32, 1, 64, 0x3d840ull}
#define TENSOR_OUTPUT {TYPE_F32, 42, 64, 0x3d940ull}
#define TENSOR_LAYERS \
    { \
        { /* 0 */ \
            .attn_norm = {TYPE_F32, 1, 64, 0x2c40ull}, \
            .attn_q = {TYPE_F32, 64, 64, 0x2d40ull}, \
            .attn_k = {TYPE_F32, 32, 64, 0x6d40ull}, \
            .attn_v = {TYPE_F32, 32, 64, 0x8d40ull}, \
            .attn_output = {TYPE_F32, 64, 64, 0xad40ull}, \
            .ffn_norm = {TYPE_F32, 1, 64, 0xed40ull}, \
            .ffn_gate = {TYPE_F32, 92, 64, 0xee40ull}, \
            .ffn_up = {TYPE_F32, 92, 64, 0x14a40ull}, \
            .ffn_down = {TYPE_F32, 64, 92, 0x1a640ull}, \
        }, \
        { /* 1 */ \
            .attn_norm = {TYPE_F32, 1, 64, 0x20240ull}, \
            .attn_q = {TYPE_F32, 64, 64, 0x20340ull}, \
            .attn_k = {TYPE_F32, 32, 64, 0x24340ull}, \
            .attn_v = {TYPE_F32, 32, 64, 0x26340ull}, \
            .attn_output = {TYPE_F32, 64, 64, 0x28340ull}, \
            .ffn_norm = {TYPE_F32, 1, 64, 0x2c340ull}, \
            .ffn_gate = {TYPE_F32, 92, 64, 0x2c440ull}, \
            .ffn_up = {TYPE_F32, 92, 64, 0x32040ull}, \
            .ffn_down = {TYPE_F32, 64, 92, 0x37c40ull}, \
        }, \
    }
