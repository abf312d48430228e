// Byte-level BPE ("gpt2") tokenisation of one fragment of text, without special tokens.
#pragma once

#include "llm/merge.h"
#include "llm/vocabulary.h"

// Cuts the fragment, valid UTF-8, into pieces and merges the bytes of each, lowest rank first,
// leftmost on a tie. A byte that the vocabulary has no token for is left out. Linear in the number
// of pieces, O(n log n) for a piece of n bytes.
void bpe_tokenize(struct token_output *out, struct fragment *f);
