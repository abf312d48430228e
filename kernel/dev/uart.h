// The console: one UART, of whichever kind, polled.
#pragma once

#include "lib/types.h"

enum uart_kind {
    UART_NONE, // what is written goes nowhere, nothing is received
    UART_PL011,
    UART_8250,         // 16550 and Synopsys' DW_apb_uart
    UART_BCM2835_MINI, // an 8250 with a baud rate register of its own
};

struct uart {
    enum uart_kind kind;
    paddr_t base;
    unsigned reg_shift; // 8250: registers are 1 << reg_shift bytes apart
    unsigned reg_width; // 8250: bytes of an access, 1 or 4
};

// Takes the UART over. One that is enabled already keeps its speed and format: the clock that a
// divisor is made from is the firmware's secret. May be called again, for another one.
void uart_init(const struct uart *uart);

// Waits for a place in the FIFO. One that has none for UART_PATIENCE_US has no clock, or nobody at
// its end who would take a byte: the byte is dropped, and so a panic ends.
void uart_putc(uint8_t byte);
#define UART_PATIENCE_US 200000 // 16 bytes at 1200 baud take 133 ms
int uart_getc(void);            // -1: nothing received

// Received bytes raise the UART's interrupt line until they are read.
void uart_rx_interrupt_enable(void);
