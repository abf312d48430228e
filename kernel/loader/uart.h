// PL011 UART of the loader, polled, at more than one speed.
#pragma once

#include "lib/types.h"

#define UART_CLOCKS_PER_BIT 16 // at least

// Keeps speed and format when the firmware has enabled it.
void uart_take_over(paddr_t base);

void uart_send(uint8_t byte); // waits for a place in the FIFO
int uart_take(void);          // -1: nothing received

// Once the last byte has left. False: no divisor of the clock comes close, or the clock is not
// known (0).
bool uart_set_baud(uint32_t clock_hz, uint32_t baud);
bool uart_restore(void); // the speed of before; true
