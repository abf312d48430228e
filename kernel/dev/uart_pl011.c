// PL011 UART, polled. Names and offsets: Arm DDI 0183, section 3.2.
#include "dev/uart_pl011.h"

#include "arch/mmio.h"

#define UART_DR          0x00
#define UART_FR          0x18
#define UART_FR_RXFE     (1u << 4) // receive FIFO empty
#define UART_FR_TXFF     (1u << 5) // transmit FIFO full
#define UART_LCRH        0x2c
#define UART_LCRH_FEN    (1u << 4) // FIFOs on
#define UART_LCRH_8BIT   (3u << 5)
#define UART_CR          0x30
#define UART_CR_UARTEN   (1u << 0)
#define UART_CR_TXE      (1u << 8)
#define UART_CR_RXE      (1u << 9)
#define UART_IFLS        0x34
#define UART_IFLS_RX_1_8 (0u << 3) // receive interrupt at two bytes of 16
#define UART_IMSC        0x38
#define UART_IMSC_RXIM   (1u << 4)
#define UART_IMSC_RTIM   (1u << 6) // receive timeout: fewer bytes than the level, and a pause

static paddr_t base;

// For QEMU 8.0 and newer. While the FIFOs are off its receiver holds one byte; once that is there
// QEMU stops to poll the host's line until UARTDR is read. Switching the FIFOs on drops the byte,
// but does not resume to poll (hw/char/pl011.c, pl011_write(), UARTLCR_H:
// qemu_chr_fe_accept_input() is missing), and UARTFR says "empty", so that nobody reads UARTDR.
// Timers of QEMU's main loop mend it by accident; with -icount there may be none, and the line
// stays deaf. The read below resumes. Real hardware returns any value here and changes no state.
// Remove it when no QEMU that we support has the fault.
static void uart_rx_listen(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        (void)mmio_read32(base + UART_DR);
    }
}

void uart_init(paddr_t uart_base)
{
    base = uart_base;
    // Writing LCRH or the divisors of a running UART garbles what is on the line, and the clock
    // that a divisor is made from is the firmware's secret.
    if ((mmio_read32(base + UART_CR) & UART_CR_UARTEN) == 0) {
        mmio_write32(base + UART_LCRH, UART_LCRH_8BIT | UART_LCRH_FEN);
        mmio_write32(base + UART_CR, UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE);
        uart_rx_listen();
    }
}

void uart_putc(uint8_t byte)
{
    while (mmio_read32(base + UART_FR) & UART_FR_TXFF) {
    }
    mmio_write32(base + UART_DR, byte);
}

int uart_getc(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        return -1;
    }
    return (int)(mmio_read32(base + UART_DR) & 0xff); // above: error bits; the link has its CRC
}

void uart_rx_interrupt_enable(void)
{
    mmio_write32(base + UART_IFLS, UART_IFLS_RX_1_8);
    mmio_write32(base + UART_IMSC, UART_IMSC_RXIM | UART_IMSC_RTIM);
}
