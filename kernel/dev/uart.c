// Chooses the driver. A table of functions would hold pointers, which would need relocations.
#include "dev/uart.h"

#include "dev/uart_8250.h"
#include "dev/uart_mini.h"
#include "dev/uart_pl011.h"

static enum uart_kind kind;

void uart_init(const struct uart *uart)
{
    kind = uart->kind;
    switch (kind) {
    case UART_PL011:
        pl011_init(uart->base);
        break;
    case UART_8250:
        uart_8250_init(uart->base, uart->reg_shift, uart->reg_width);
        break;
    case UART_BCM2835_MINI:
        uart_8250_init(uart->base, UART_MINI_REG_SHIFT, UART_MINI_REG_WIDTH);
        break;
    case UART_NONE:
        break;
    }
}

void uart_putc(uint8_t byte)
{
    if (kind == UART_PL011) {
        pl011_putc(byte);
    } else if (kind != UART_NONE) {
        uart_8250_putc(byte);
    }
}

int uart_getc(void)
{
    return kind == UART_PL011 ? pl011_getc() : kind == UART_NONE ? -1 : uart_8250_getc();
}

void uart_rx_interrupt_enable(void)
{
    if (kind == UART_PL011) {
        pl011_rx_interrupt_enable();
    } else if (kind != UART_NONE) {
        uart_8250_rx_interrupt_enable();
    }
}
