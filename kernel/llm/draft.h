// Guesses of the next tokens: what followed the last time the context's end occurred in it.
#pragma once

#include "lib/types.h"

// When guessing pays. A token that was computed for a wrong guess is lost; one for a right guess is
// cheaper than a pass of its own.
struct draft_budget {
    uint32_t n_generated;
    uint32_t n_accepted; // guesses that saved a pass
    uint32_t n_rejected;
};

// Tokens that may be guessed next, all of which may turn out wrong.
uint32_t draft_allowance(const struct draft_budget *budget);

// Writes up to max tokens behind the n of the context, ids[n] on. How many: 0, nothing is like it.
uint32_t draft_tokens(uint32_t *ids, uint32_t n, uint32_t max);
