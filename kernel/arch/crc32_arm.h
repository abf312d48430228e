// crc32() with the CRC32 instructions.
#pragma once

#include "lib/types.h"

// As crc32(), many times faster. Only where cpu_has_crc32().
uint32_t crc32_fast(uint32_t crc, const void *data, size_t n);
