// Asking for memory before it is read. It changes no bits, and an address that is not mapped, or is
// a device's, is ignored (Arm ARM, PRFM).
#pragma once

#include "lib/types.h"

#define PREFETCH_LINE 64 // bytes, of every core in arch/cpu.c

// The lines of n bytes that will be read once and not again soon (PLDL1STRM): weights are, and when
// the next token wants them the cache has seen all others.
static inline __attribute__((always_inline)) void prefetch_stream(uintptr_t begin, size_t n)
{
    for (size_t i = 0; i < n; i += PREFETCH_LINE) {
        __builtin_prefetch((const void *)(begin + i), 0, 0);
    }
}
