// Guesses of the next tokens: what followed the last time the context's end occurred in it.
#include "llm/draft.h"

#define MATCH_MIN  2
#define MATCH_GOOD 3 // of several occurrences the newest as long as this wins

// A wrong guess costs one token's computing at most. A first try, and one of 128 generated tokens:
// under 2 % from 100 tokens on, however bad the guesses. What right ones save is counted as a
// quarter of a token: an estimate, to be replaced when batches and single tokens are measured.
#define FREE_REJECTED      1
#define GENERATED_PER_MISS 128
#define ACCEPTED_PER_MISS  4

uint32_t draft_allowance(const struct draft_budget *budget)
{
    const uint32_t earned = FREE_REJECTED + budget->n_generated / GENERATED_PER_MISS +
                            budget->n_accepted / ACCEPTED_PER_MISS;
    return earned > budget->n_rejected ? earned - budget->n_rejected : 0;
}

// How many tokens before a and before b are the same, up to MATCH_GOOD; a < b.
static uint32_t match_length(const uint32_t *ids, uint32_t a, uint32_t b)
{
    uint32_t length = 0;
    while (length < MATCH_GOOD && length < a && ids[a - 1 - length] == ids[b - 1 - length]) {
        length++;
    }
    return length;
}

uint32_t draft_tokens(uint32_t *ids, uint32_t n, uint32_t max)
{
    uint32_t best = MATCH_MIN - 1, from = 0;
    for (uint32_t i = n; max > 0 && best < MATCH_GOOD && i-- > MATCH_MIN;) {
        const uint32_t length = match_length(ids, i, n);
        if (length > best) {
            best = length;
            from = i;
        }
    }
    if (from == 0) {
        return 0;
    }
    // Where the guess reaches its own beginning the context is taken to go round.
    for (uint32_t k = 0; k < max; k++) {
        ids[n + k] = ids[from + k];
    }
    return max;
}
