// PL011 UART of the loader. Names and offsets: Arm DDI 0183, section 3.2.
#include "loader/uart.h"

#include "arch/mmio.h"

#define UART_DR        0x00
#define UART_FR        0x18
#define UART_FR_BUSY   (1u << 3)
#define UART_FR_RXFE   (1u << 4) // receive FIFO empty
#define UART_FR_TXFF   (1u << 5) // transmit FIFO full
#define UART_IBRD      0x24
#define UART_FBRD      0x28
#define UART_LCRH      0x2c
#define UART_LCRH_FEN  (1u << 4) // FIFOs on
#define UART_LCRH_8BIT (3u << 5)
#define UART_CR        0x30
#define UART_CR_UARTEN (1u << 0)
#define UART_CR_TXE    (1u << 8)
#define UART_CR_RXE    (1u << 9)

#define MAX_ERROR_PER_MILLE 20 // half of what ten bits between two resynchronisations bear

static paddr_t base;
static uint32_t first_ibrd, first_fbrd;

// As dev/uart_pl011.c has it, with the reason.
static void listen(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        (void)mmio_read32(base + UART_DR);
    }
}

static void enable(void)
{
    mmio_write32(base + UART_LCRH, UART_LCRH_8BIT | UART_LCRH_FEN);
    mmio_write32(base + UART_CR, UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE);
    listen();
}

void uart_take_over(paddr_t uart_base)
{
    base = uart_base;
    first_ibrd = mmio_read32(base + UART_IBRD);
    first_fbrd = mmio_read32(base + UART_FBRD);
    if ((mmio_read32(base + UART_CR) & UART_CR_UARTEN) == 0) {
        enable();
    }
}

void uart_send(uint8_t byte)
{
    while (mmio_read32(base + UART_FR) & UART_FR_TXFF) {
    }
    mmio_write32(base + UART_DR, byte);
}

int uart_take(void)
{
    if (mmio_read32(base + UART_FR) & UART_FR_RXFE) {
        return -1;
    }
    return (int)(mmio_read32(base + UART_DR) & 0xff);
}

// In the order of DDI 0183, section 3.3.8; writing LCRH makes new divisors valid.
static void set_divisors(uint32_t ibrd, uint32_t fbrd)
{
    if (mmio_read32(base + UART_IBRD) == ibrd && mmio_read32(base + UART_FBRD) == fbrd) {
        return;
    }
    while (mmio_read32(base + UART_FR) & UART_FR_BUSY) {
    }
    mmio_write32(base + UART_CR, 0);
    mmio_write32(base + UART_IBRD, ibrd);
    mmio_write32(base + UART_FBRD, fbrd);
    enable();
}

bool uart_set_baud(uint32_t clock_hz, uint32_t baud)
{
    if (clock_hz == 0 || baud == 0) {
        return false;
    }
    const uint64_t divisor = (4ull * clock_hz + baud / 2) / baud; // clocks per 1/16 bit, in 64ths
    const uint64_t real = divisor ? 4ull * clock_hz / divisor : 0;
    const uint64_t error = real > baud ? real - baud : baud - real;
    if (divisor < 64 || divisor >> 6 > 0xffff ||
        error * 1000 > (uint64_t)MAX_ERROR_PER_MILLE * baud) {
        return false;
    }
    set_divisors((uint32_t)(divisor >> 6), (uint32_t)(divisor & 63));
    return true;
}

bool uart_restore(void)
{
    set_divisors(first_ibrd, first_fbrd);
    return true;
}
