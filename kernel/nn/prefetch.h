// How far mat-vecs look ahead in the stream of weights.
#pragma once

#include "lib/prefetch.h"

// How many bytes ahead of its reads a plain Armv8.0 mat-vec asks, by the CPU (app/cpu_tier.h); 0
// asks for what is about to be read anyway. Set once, before the first forward pass.
extern uint32_t prefetch_ahead;

// A block of n bytes that is read `ahead` bytes from now.
static inline __attribute__((always_inline)) void prefetch_block(const void *block, size_t ahead,
                                                                 size_t n)
{
    prefetch_stream((uintptr_t)block + ahead, n);
}
