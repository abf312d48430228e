// The model blob: is it whole, and was it made together with this kernel?
#pragma once

#include "platform/platform.h"

// Where the blob should be, whatever lies there; 0: no initrd came.
paddr_t blob_address(const struct platform *platform);

// Returns the blob that came with the image or as initrd. Panics with a sentence when it is
// missing, damaged, truncated, or of another build. Caches on: it reads all of it.
const uint8_t *blob_check(const struct platform *platform, uint64_t build_id, uint64_t size_bytes);
