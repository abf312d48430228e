// SPM ("llama") tokenisation of one fragment of text, without special tokens.
#pragma once

#include "lib/types.h"

struct token_output {
    uint32_t *ids;
    int max;
    int n; // wanted; those beyond max are not written
};

void token_emit(struct token_output *out, uint32_t id);

// Text byte i has slot i + 1; the space put in front of a fragment takes the slot before its first
// byte. A symbol lives in the slot of its first byte.
struct spm_symbol {
    uint32_t n;    // slots, 0: part of the symbol to the left
    uint32_t prev; // slot of the symbol to the left
    float score;   // of the token that this symbol and the next make; NAN: they make none
};

// A pair that could be merged. Nothing but a key: valid while the pair at `left` has this score.
struct spm_candidate {
    float score;
    uint32_t left;
};

// Memory that a text of n bytes needs: n + 1 symbols have n pairs at first, and each merge takes a
// candidate out of the heap and puts two in.
#define SPM_SYMBOLS(n)    ((n) + 1)
#define SPM_CANDIDATES(n) (2 * (n))

struct spm_fragment {
    const uint8_t *text;        // the whole text; slot s holds text[s - 1]
    struct spm_symbol *symbols; // by slot
    struct spm_candidate *heap;
    size_t n_heap;
    uint32_t first, end; // slots
    bool space_before;   // slot `first` is the space put in front
    bool in_turn;        // no merge makes a marker (token_is_marker)
};

// Merges pairs of neighbours, highest score first, leftmost on a tie, and emits what remains. A
// symbol that is no token becomes one token for each of its bytes.
void spm_tokenize(struct token_output *out, struct spm_fragment *f);
