// What the ID registers say, in the terms of the model's code.
#pragma once

#include "arch/cpu.h"
#include "nn/tier.h"

// Of this core. One that has I8MM has DotProd, which Armv8.4 makes mandatory.
static inline enum nn_tier cpu_tier(void)
{
    if (!cpu_has_dotprod()) {
        return TIER_NEON;
    }
    return cpu_has_i8mm() ? TIER_I8MM : TIER_DOTPROD;
}
