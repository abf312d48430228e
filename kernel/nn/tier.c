// Which twins of the operations run.
#include "nn/tier.h"

enum nn_tier nn_tier; // TIER_NEON until somebody has looked at the CPU

static enum nn_tier best_tier;

void nn_tier_init(enum nn_tier best)
{
    best_tier = nn_tier = best;
}

void nn_tier_limit(enum nn_tier most)
{
    nn_tier = best_tier < most ? best_tier : most;
}

const char *nn_tier_name(void)
{
    return nn_tier == TIER_NEON ? "NEON" : nn_tier == TIER_DOTPROD ? "dotprod" : "i8mm";
}
