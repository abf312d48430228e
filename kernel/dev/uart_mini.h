// The mini UART of the BCM2835 and its successors: an 8250 (uart_8250.h) but for how it is set up.
#pragma once

#include "lib/types.h"

#define UART_MINI_REG_SHIFT 2
#define UART_MINI_REG_WIDTH 4

// Enables it at this speed, 8N1. core_hz: the clock of the VideoCore's core, from which the baud
// rate is divided: when that changes, so does the speed.
void uart_mini_configure(paddr_t base, uint32_t core_hz, uint32_t baud);

bool uart_mini_is_enabled(paddr_t base);
