// PL011 UART, polled.
#pragma once

#include "lib/types.h"

// Takes over the UART at base. One that the firmware has already enabled keeps its speed and
// format.
void pl011_init(paddr_t base);
bool pl011_is_enabled(paddr_t base);

// Enables it at this speed, 8N1. clock_hz: UARTCLK, 16 baud at least.
void pl011_configure(paddr_t base, uint32_t clock_hz, uint32_t baud);

// The speed as the UART has it: clocks per 16th of a bit, in 64ths; 1.0 is the least, 2^16 the end.
#define PL011_DIVISOR_MIN 64u
#define PL011_DIVISOR_END (64u << 16)
uint32_t pl011_divisor(void);
uint32_t pl011_divisor_of(uint32_t clock_hz, uint32_t baud);
void pl011_set_divisor(uint32_t divisor); // as pl011_configure(), of the UART in use

void pl011_putc(uint8_t byte); // waits for a place in the FIFO
int pl011_getc(void);          // -1: nothing received

// Received bytes raise the UART's interrupt line until they are read.
void pl011_rx_interrupt_enable(void);
