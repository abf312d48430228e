// A device tree as the facts of struct platform.
#pragma once

#include "lib/fdt.h"
#include "platform/platform.h"

// Adds a range; if there is no room, says so in platform->overflow.
void platform_add_range(struct platform *platform, const char *what, struct range *ranges, int *n,
                        paddr_t start, uint64_t size);

// Fills in what the tree knows. False: it could not be read to its end. Does not panic: there is no
// console yet.
bool platform_from_fdt(struct platform *platform, const struct fdt *fdt);
