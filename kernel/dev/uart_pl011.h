// PL011 UART, polled.
#pragma once

#include "lib/types.h"

// Takes over the UART at base. One that the firmware has already enabled keeps its speed and
// format.
void uart_init(paddr_t base);

void uart_putc(uint8_t byte); // waits for a place in the FIFO
int uart_getc(void);          // -1: nothing received

// Received bytes raise the UART's interrupt line until they are read.
void uart_rx_interrupt_enable(void);
