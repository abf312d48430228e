// 8250 UART and its descendants (16550, DW_apb_uart), polled.
#pragma once

#include "lib/types.h"

// The firmware has set speed and format; the FIFOs are switched on.
void uart_8250_init(paddr_t base, unsigned reg_shift, unsigned reg_width);
void uart_8250_putc(uint8_t byte);
int uart_8250_getc(void);
void uart_8250_rx_interrupt_enable(void);
