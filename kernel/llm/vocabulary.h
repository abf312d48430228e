// The vocabulary tables of the model blob.
#pragma once

#include "lib/types.h"

// tokenizer.ggml.token_type
#define TOKEN_TYPE_NORMAL       1
#define TOKEN_TYPE_UNKNOWN      2
#define TOKEN_TYPE_CONTROL      3
#define TOKEN_TYPE_USER_DEFINED 4
#define TOKEN_TYPE_BYTE         6

const uint8_t *token_text(uint32_t id, uint32_t *n);
float token_score(uint32_t id);
int token_type(uint32_t id);
bool token_is_eog(uint32_t id); // ends a reply
// A control token, or one that the chat template writes: what is said in a turn must not become it.
bool token_is_marker(uint32_t id);

// A stretch of text in which every space stands for U+2581, as in the texts of the vocabulary.
struct text_view {
    const uint8_t *text;
    size_t n;
    bool space_before; // one more space in front of text[0]
};

// The token with this text, or -1.
int64_t token_find(struct text_view view);
