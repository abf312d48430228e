// The console and the link on one serial line, until somebody switches the machine off.
#pragma once

#include "link/io.h"

// What a machine measures of itself, at this moment.
struct serve_sensors {
    uint32_t arm_hz;                // clock of the cores, 0: not known
    uint32_t temperature;           // thousandths of a degree Celsius, 0: not known
    uint32_t throttled;             // flags of a Raspberry Pi's firmware (platform/pi.h)
#define SERVE_NOT_KNOWN 0xffffffffu // of throttled
};

struct serve_info {
    const char *description; // one line for WELCOME: board, CPU, exception level, model
    const char *system;      // what the model is to be told of its machine; "": nothing
    uint64_t boot_ticks;     // io->ticks() when the machine was ready
    // Memory that MEM_READ may show: the address as a pointer when all n bytes are mapped and
    // readable, else NULL. The member may be NULL: nothing is readable.
    const void *(*readable)(uint64_t addr, uint32_t n);
    void (*sense)(struct serve_sensors *sensors); // NULL: it measures nothing
};

enum serve_end {
    SERVE_POWEROFF, // the caller switches the machine off
    SERVE_REBOOT,
    SERVE_CLOSED, // the line has ended (host program only)
};

// model_init() must have run. `io` and `info` must outlive the call.
enum serve_end serve(const struct link_io *io, const struct serve_info *info);
