// SPM ("llama") tokenisation of one fragment of text, without special tokens.
#pragma once

#include "llm/merge.h"
#include "llm/vocabulary.h"

// Merges pairs of neighbours, highest score first, leftmost on a tie, and emits what remains. A
// symbol that is no token becomes one token for each of its bytes.
void spm_tokenize(struct token_output *out, struct fragment *f);
