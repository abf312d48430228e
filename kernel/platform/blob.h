// The model blob: is it whole, and was it made together with this kernel?
#pragma once

#include "lib/blob_header.h"
#include "platform/platform.h"

// Where the blob should be, whatever lies there; 0: no initrd came.
paddr_t blob_address(const struct platform *platform);

// Returns the blob that came with the image or as initrd. Panics with a sentence when it is
// missing, damaged, truncated, or of another build. Caches on: it reads all of it.
const uint8_t *blob_check(const struct platform *platform, uint64_t build_id, uint64_t size_bytes);

// The parts of it. The header of a blob of which `available` bytes are there; panics as above.
void blob_check_header(const struct blob_header *header, uint64_t available, uint64_t build_id,
                       uint64_t size_bytes);
uint32_t blob_payload_crc(const struct blob_header *header); // of size_bytes that have been checked
