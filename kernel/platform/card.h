// The model from the SD card, when no loader brought it: from a raw partition of type 0xda.
#pragma once

#include "platform/platform.h"

// Without an initrd, on a board with an SD card that we can read: finds RAM for so many bytes
// beside the plan and what others keep, and makes it the initrd, to be filled. MMU off.
void card_reserve(struct platform *platform, uint64_t size_bytes);

// Fills it. Panics with a sentence: no card, no partition, another model, bytes that stay damaged
// when they are read again. report gets a line now and then. Caches on.
void card_load(const struct platform *platform, uint64_t build_id, uint64_t size_bytes,
               void (*report)(const char *line));
