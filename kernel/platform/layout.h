// The plan made on the host against the machine that it runs on.
#pragma once

#include "platform/platform.h"

// Panics, with both numbers, when this machine's RAM does not hold the planned regions or when the
// loader put something into them. Before this no planned region may be touched.
void layout_check(struct platform *platform);

// Builds the identity map (text RX, constants and weights R, the rest RW, nothing both writable and
// executable) and switches MMU and caches on.
void layout_map(const struct platform *platform);

// What the card's model was read to is for reading alone from now on, on all CPUs, and so are the
// page tables; nothing where the loader has brought the model. After its CRC is known to be right.
void layout_protect(const struct platform *platform);

// Where keys and values are kept: the image's planned region, or the first RAM that is free and
// holds them. Once, after layout_check() and whatever else takes RAM.
uint8_t *layout_kv_cache(struct platform *platform);
