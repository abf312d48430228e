// The instruction sets that operations are written for. An operation's bits are the same in all.
#pragma once

#include "lib/types.h"

// Each has what those before it have.
enum nn_tier {
    TIER_NEON,    // of Armv8.0
    TIER_DOTPROD, // SDOT
    TIER_I8MM,    // SMMLA
};

// In use; nn/ops.h chooses by it.
extern enum nn_tier nn_tier;

// best: what every core can do. Before the first forward pass.
void nn_tier_init(enum nn_tier best);

// From now on no more than `most`, whatever the cores can do: to compare tiers on one CPU.
void nn_tier_limit(enum nn_tier most);

const char *nn_tier_name(void); // of the one in use
