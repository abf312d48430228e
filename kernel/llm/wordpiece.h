// WordPiece ("bert") tokenisation of one fragment of text, without special tokens.
#pragma once

#include "llm/merge.h"
#include "llm/vocabulary.h"

// Folds characters (case, accents), cuts words at white space and around punctuation, and emits for
// each word the longest token that it begins with, then the longest that the rest begins with, and
// so on; TOKEN_UNK for a word that this does not use up. Bytes that are no UTF-8 are left out.
//
// Uses f->heap for the word. O(n * MAX_TOKEN_BYTES * log N_VOCAB) for n bytes.
void wordpiece_tokenize(struct token_output *out, const struct fragment *f);
