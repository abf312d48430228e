// The protocol of raspbootin and its heirs, for hosts that know no other: after three bytes 0x03
// the host sends a size (32 bits, little endian), is told OK or SE, and sends so many bytes.
// Nothing protects them.
#pragma once

#include "loader/loader.h"

struct raspbootin {
    uint8_t *memory;
    uint32_t room; // bytes
    bool receiving;
    uint32_t size, received;
    unsigned n_before; // bytes since the last silence, before a size is known
    uint32_t last4;
};

// Any byte of the line, those of frames too: a size may look like the start of one.
void raspbootin_take(struct raspbootin *raspbootin, uint8_t byte);

enum raspbootin_said { RASPBOOTIN_NOTHING, RASPBOOTIN_SIZE, RASPBOOTIN_WRONG_SIZE };
// The line has been silent for LOAD_SIZE_SILENCE_MS. RASPBOOTIN_SIZE: receiving has begun.
enum raspbootin_said raspbootin_pause(struct raspbootin *raspbootin);

bool raspbootin_complete(const struct raspbootin *raspbootin);
void raspbootin_reset(struct raspbootin *raspbootin);
