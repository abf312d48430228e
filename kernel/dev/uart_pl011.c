// PL011 UART, polled. Names and offsets: Arm DDI 0183, section 3.2.
#include "dev/uart_pl011.h"

#include "arch/mmio.h"
#include "arch/timer.h"
#include "dev/uart_room.h"

#define UART_DR          0x00
#define UART_FR          0x18
#define UART_FR_BUSY     (1u << 3) // sending
#define UART_FR_RXFE     (1u << 4) // receive FIFO empty
#define UART_FR_TXFF     (1u << 5) // transmit FIFO full
#define UART_IBRD        0x24
#define UART_FBRD        0x28
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
#define UART_ICR         0x44
#define UART_ICR_ALL     0x7ffu
#define UART_CR_ON       (UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE)
#define DRAIN_US         5000 // 16 bytes of FIFO at 115200 take 1.4 ms; a UART without clock never ends

static paddr_t base;
static bool is_stuck; // its FIFO was full for too long

// For QEMU 8.0 and newer. While the FIFOs are off its receiver holds one byte; once that is there
// QEMU stops to poll the host's line until UARTDR is read. Switching the FIFOs on drops the byte,
// but does not resume to poll (hw/char/pl011.c, pl011_write(), UARTLCR_H:
// qemu_chr_fe_accept_input() is missing), and UARTFR says "empty", so that nobody reads UARTDR.
// Timers of QEMU's main loop mend it by accident; with -icount there may be none, and the line
// stays deaf. The read below resumes. Real hardware returns any value here and changes no state.
// Remove it when no QEMU that we support has the fault.
static void rx_listen(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        (void)mmio_read32(base + UART_DR);
    }
}

// DDI 0183, section 3.3.8: what is being sent ends before the UART is switched off.
static void switch_off(void)
{
    if (mmio_read32(base + UART_CR) & UART_CR_UARTEN) {
        const uint64_t deadline = timer_deadline_us(DRAIN_US);
        while ((mmio_read32(base + UART_FR) & UART_FR_BUSY) && timer_ticks() < deadline) {
        }
    }
    mmio_write32(base + UART_CR, 0);
}

static void enable(void)
{
    mmio_write32(base + UART_LCRH, UART_LCRH_8BIT | UART_LCRH_FEN);
    mmio_write32(base + UART_CR, UART_CR_ON);
    rx_listen();
}

void pl011_init(paddr_t uart_base)
{
    base = uart_base;
    if (!pl011_is_enabled(base)) { // else: writing LCRH garbles what is on the line
        switch_off();
        enable();
    }
}

bool pl011_is_enabled(paddr_t uart_base)
{
    return (mmio_read32(uart_base + UART_CR) & UART_CR_ON) == UART_CR_ON &&
           (mmio_read32(uart_base + UART_LCRH) & UART_LCRH_FEN) != 0;
}

uint32_t pl011_divisor(void)
{
    return mmio_read32(base + UART_IBRD) * 64 + mmio_read32(base + UART_FBRD);
}

uint32_t pl011_divisor_of(uint32_t clock_hz, uint32_t baud)
{
    return (uint32_t)((4ull * clock_hz + baud / 2) / baud);
}

void pl011_configure(paddr_t uart_base, uint32_t clock_hz, uint32_t baud)
{
    base = uart_base;
    pl011_set_divisor(pl011_divisor_of(clock_hz, baud));
}

// In the order of DDI 0183, section 3.3.8: FIFOs are emptied by switching them off, and a write of
// LCRH makes the divisors valid.
void pl011_set_divisor(uint32_t divisor)
{
    switch_off();
    mmio_write32(base + UART_LCRH, 0);
    mmio_write32(base + UART_IMSC, 0);
    mmio_write32(base + UART_ICR, UART_ICR_ALL);
    mmio_write32(base + UART_IBRD, divisor / 64);
    mmio_write32(base + UART_FBRD, divisor % 64);
    enable();
}

static bool is_full(void)
{
    return (mmio_read32(base + UART_FR) & UART_FR_TXFF) != 0;
}

void pl011_putc(uint8_t byte)
{
    if (uart_room(is_full, &is_stuck)) {
        mmio_write32(base + UART_DR, byte);
    }
}

int pl011_getc(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        return -1;
    }
    return (int)(mmio_read32(base + UART_DR) & 0xff); // above: error bits; the link has its CRC
}

void pl011_rx_interrupt_enable(void)
{
    mmio_write32(base + UART_IFLS, UART_IFLS_RX_1_8);
    mmio_write32(base + UART_IMSC, UART_IMSC_RXIM | UART_IMSC_RTIM);
}
