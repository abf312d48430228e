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

// How far ahead of its reads a plain Armv8.0 mat-vec should ask for weights, in bytes: what it
// reads while DRAM answers, twice over since all cores share the DRAM, in whole lines. Bytes per
// cycle are llvm-mca's of Q4_K (`bench --mca`: a block of eight rows has 1152 bytes), 100 to 150 ns
// of latency are common for boards with such cores. None of it has been tried on hardware.
//   Cortex-A53, A35: 1152 / (8 * 137) = 1.05 bytes a cycle, 150 ns at 1.2 to 1.4 GHz: 220 bytes.
//     Their own prefetcher follows a stride, but only while few lines are on their way. Also for
//     cores that we do not know: too near is late, too far may fall out of the cache again.
//   Cortex-A72, A57, A73: 1152 / (8 * 42) = 3.4 bytes a cycle, 100 ns at 1.5 to 1.8 GHz: 600.
//   With dotprod: none. They do not use these mat-vecs, and follow a stream by themselves.
static inline uint32_t cpu_prefetch_bytes(void)
{
    if (cpu_has_dotprod()) {
        return 0;
    }
    switch (cpu_part()) {
    case 0xd07:
    case 0xd08:
    case 0xd09:
        return 1216;
    default:
        return 448;
    }
}
