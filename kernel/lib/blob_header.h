// The first bytes of model.blob, as harness/image/blob.py writes them. Little endian, as we are.
#pragma once

#include "lib/types.h"

#define BLOB_MAGIC   "BAREWORD"
#define BLOB_VERSION 3

struct blob_header {
    char magic[8]; // BLOB_MAGIC, without a NUL
    uint32_t version;
    uint32_t header_bytes;
    uint64_t build_id;
    uint64_t size_bytes;  // header included
    uint32_t payload_crc; // CRC-32 of everything behind the header
    uint32_t header_crc;  // CRC-32 of the fields above
    uint8_t zeros[24];
};
static_assert(sizeof(struct blob_header) == 64, "the host writes a header of 64 bytes");
static_assert(offsetof(struct blob_header, header_crc) == 36, "header_crc covers bytes 0..35");
