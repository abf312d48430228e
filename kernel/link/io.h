// The serial line as the link sees it: filled in at run time by app/main.c or app/twin.c (a static
// initialiser with function pointers would need relocations).
#pragma once

#include "lib/types.h"

#define LINK_NO_BYTE (-1)
#define LINK_CLOSED  (-2) // only the host program's line can end

struct link_io {
    int (*getc)(void);       // next byte, LINK_NO_BYTE or LINK_CLOSED; never waits
    void (*putc)(uint8_t c); // may wait for the transmitter
    uint64_t (*ticks)(void); // monotonic
    uint64_t ticks_per_s;
    void (*idle)(void);  // sleeps until a byte may have arrived; may return early
    void (*pause)(void); // rests for well under a millisecond: a byte or a timeout is due
};
