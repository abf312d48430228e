// Cuts text into the pieces that byte-level BPE merges, by automata of the model's regexes.
#pragma once

#include "lib/types.h"

#define MAX_PRE_REGEXES 4

struct pre_tokenizer {
    const uint8_t *text;
    // [0]: where the text ends. [i]: where the current piece of regex i - 1 ends; the pieces of the
    // last regex are the result.
    size_t end[MAX_PRE_REGEXES + 1];
};

// text[from..to) is valid UTF-8.
void pre_tokenizer_begin(struct pre_tokenizer *p, const uint8_t *text, size_t from, size_t to);
// Where the next piece ends; only before the end of the text.
//
// Each regex looks at every character a bounded number of times: none looks further beyond the end
// of its match than the next match reaches.
size_t pre_tokenizer_next(struct pre_tokenizer *p);
