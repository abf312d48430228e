// ATAGs: what a loader for Arm says of a machine when it has no device tree (Linux,
// Documentation/arch/arm/booting.rst). Trusts nothing, as fdt.h.
#pragma once

#include "lib/types.h"

#define ATAGS_MAX_MEMORY 4

struct atags {
    struct {
        uint64_t start, size;
    } memory[ATAGS_MAX_MEMORY];
    int n_memory;
    uint64_t initrd_start, initrd_size; // size 0: none
};

// False: no list of tags. Reads at most 4 KiB.
bool atags_read(struct atags *atags, const void *list);
