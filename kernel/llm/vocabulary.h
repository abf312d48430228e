// The vocabulary tables of the model blob.
#pragma once

#include "lib/types.h"
#include "llm/merge.h"

// tokenizer.ggml.model: TOKENIZER of gen/model.h
#define TOKENIZER_LLAMA 0 // SentencePiece
#define TOKENIZER_GPT2  1 // byte-level BPE
#define TOKENIZER_BERT  2 // WordPiece

// tokenizer.ggml.token_type
#define TOKEN_TYPE_NORMAL       1
#define TOKEN_TYPE_UNKNOWN      2
#define TOKEN_TYPE_CONTROL      3
#define TOKEN_TYPE_USER_DEFINED 4
#define TOKEN_TYPE_BYTE         6

struct token_output {
    uint32_t *ids;
    int max;
    int n; // wanted; those beyond max are not written
};

void token_emit(struct token_output *out, uint32_t id);

// Flag in BLOB_TOKEN_SPECIAL: the token takes white space to its right with it.
#define SPECIAL_SWALLOWS_SPACE 0x80000000u

// A table at its place in the blob.
const uint32_t *table_u32(uint64_t offset);

const uint8_t *token_text(uint32_t id, uint32_t *n);
int token_type(uint32_t id);
bool token_is_eog(uint32_t id); // ends a reply
// A control token, or one that the chat template writes: what is said in a turn must not become it.
bool token_is_marker(uint32_t id);

// A stretch of text in which, for SentencePiece, every space stands for U+2581, as in the texts of
// the vocabulary.
struct text_view {
    const uint8_t *text;
    size_t n;
    bool space_before; // one more space in front of text[0]
};

// The token with this text, or NO_TOKEN; of byte-level BPE a normal token.
uint32_t token_find(struct text_view view);

// SentencePiece: 0 for the highest score; equal scores, equal ranks.
uint32_t token_rank(uint32_t id);

// Byte-level BPE: the token of one byte, or NO_TOKEN; and what two tokens make, the rank as in the
// file. Never a control token. O(log n) of the merges that begin with `left`.
uint32_t byte_token(uint8_t byte);
struct merged_pair merge_find(uint32_t left, uint32_t right);
