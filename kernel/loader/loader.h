// What the chainloader does once it runs out of the way: it takes a kernel from a serial line.
#pragma once

#include "link/io.h"

struct loader_io {
    struct link_io line;
    // Once the last byte has left. False: the line cannot do this speed. 0: the one it began with.
    bool (*set_baud)(uint32_t baud);
    uint32_t baud_max; // 0: it has only the one
    const char *banner;
    uint64_t firmware_x0; // what the firmware gave us, and will give the kernel
};

// Where kernels go: the memory that the firmware loaded us to.
struct loader_memory {
    uint8_t *base; // 8-aligned
    uint32_t size;
};

// Talks to whoever is at the other end until a kernel lies complete at memory->base. Its size; 0:
// the line has ended (host program only). Nothing of it is initialised: .bss must be zero.
uint32_t loader_receive(const struct loader_io *io, const struct loader_memory *memory);
