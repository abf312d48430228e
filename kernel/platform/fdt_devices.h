// Devices in a device tree, for from_fdt.c.
#pragma once

#include "lib/fdt.h"
#include "platform/board.h"

// Nodes that say how to read others, or are read after the walk; FDT_NONE: not there.
struct fdt_landmarks {
    int chosen, aliases, reserved_memory;
};

// A UART that could be the console.
struct fdt_uart {
    struct uart uart;
    unsigned irq;
    bool is_stdout; // stdout-path names it
};

struct fdt_uarts {
    struct fdt_uart any, pl011; // the best so far
};

// Notes the device that a node describes, if it is enabled and we have a driver.
void fdt_read_device(struct devices *devices, const struct fdt *fdt, const struct fdt_node *node,
                     const struct fdt_landmarks *at, struct fdt_uarts *uarts);

// After all nodes. Our own rule for a Raspberry Pi with its UARTs at GPIO 14 and 15: the PL011,
// though its tree names the mini UART, whose speed follows the clock of the VideoCore's core.
void fdt_choose_uart(struct devices *devices, const struct fdt_uarts *uarts);
