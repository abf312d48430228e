// CRC-32 (IEEE 802.3, reflected), with zlib's semantics.
#pragma once

#include "lib/types.h"

// crc32(0, data, n) starts; crc32(crc of what came before, ...) continues.
uint32_t crc32(uint32_t crc, const void *data, size_t n);
