// Merging neighbours, the best pair first: what SentencePiece and byte-level BPE have in common.
#pragma once

#include "lib/types.h"

#define NO_TOKEN 0xffffffffu
#define NO_SLOT  0xffffffffu

// Text byte i has slot i + 1; the space put in front of a fragment takes the slot before its first
// byte. A symbol lives in the slot of its first byte.
struct symbol {
    uint32_t n;    // slots, 0: part of the symbol to the left
    uint32_t prev; // slot of the symbol to the left, NO_SLOT: none
    uint32_t id;   // token, NO_TOKEN: it is none, or nobody has asked
};

// A pair that could be merged. Nothing but a key: valid while the pair at `left` has this rank.
struct merge_candidate {
    uint32_t rank;
    uint32_t left;
};

// Memory that a text of n bytes needs: n + 1 symbols have n pairs at first, and each merge takes a
// candidate out of the heap and puts two in.
#define MERGE_SYMBOLS(n)    ((n) + 1)
#define MERGE_CANDIDATES(n) (2 * (n))

// Text between special tokens.
struct fragment {
    const uint8_t *text;    // the whole text; slot s holds text[s - 1]
    struct symbol *symbols; // by slot
    struct merge_candidate *heap;
    uint32_t first, end; // slots
    bool space_before;   // slot `first` is the space put in front
    bool in_turn;        // no merge makes a marker (token_is_marker)
};

// What two neighbours make: the lower the rank, the earlier. id NO_TOKEN: nothing.
struct merged_pair {
    uint32_t rank;
    uint32_t id;
};
typedef struct merged_pair merge_rule(const struct fragment *f, uint32_t left, uint32_t right);

// Merges symbols of the fragment, the lowest rank first, leftmost on a tie, until no rule applies.
// O(n log n) for n slots, times the rule.
void merge_symbols(struct fragment *f, merge_rule *rule);
