// RAM for what the image's planned regions do not hold.
#pragma once

#include "platform/platform.h"

// Takes size_bytes (1 or more) at the lowest address where they are free in one piece: outside the
// image, the device tree, the initrd, what the tree reserves and what was taken before. align: a
// power of two. Panics when no range of RAM has so much; `what` names it then.
paddr_t free_ram_take(struct platform *platform, const char *what, uint64_t size_bytes,
                      uint64_t align);
