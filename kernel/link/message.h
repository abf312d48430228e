// Payloads: packed little-endian fields, written and read in order.
#pragma once

#include "gen/link.h"
#include "lib/types.h"

struct message {
    size_t n;
    uint8_t bytes[LINK_MAX_PAYLOAD];
};

void put_u8(struct message *message, uint8_t value);
void put_u16(struct message *message, uint16_t value);
void put_u32(struct message *message, uint32_t value);
void put_u64(struct message *message, uint64_t value);
void put_f32(struct message *message, float value);
// Cut where the payload ends.
void put_bytes(struct message *message, const void *bytes, size_t n);

// Fields beyond the end read as 0 and clear `ok`.
struct reader {
    const uint8_t *bytes;
    size_t n; // left
    bool ok;
};

uint8_t get_u8(struct reader *reader);
uint16_t get_u16(struct reader *reader);
uint32_t get_u32(struct reader *reader);
uint64_t get_u64(struct reader *reader);
float get_f32(struct reader *reader);
