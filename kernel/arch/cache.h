// Data cache maintenance by address, to the point of coherency (memory as everyone sees it).
#pragma once

#include "lib/types.h"

// Drops the cached copies of [start, end): what memory holds is the truth. Lines that start or end
// cut are dropped whole, so both must be 64-byte aligned or share their lines with nothing of
// value. Complete on return. Uses no stack: start.S calls it.
void cache_invalidate(const void *start, const void *end);

// Writes dirty lines of [start, end) to memory, for a CPU whose caches are off. Complete on return.
void cache_clean(const void *start, const void *end);
