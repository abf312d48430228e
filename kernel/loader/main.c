// The loader's machine: a UART, the generic timer, and the memory that it was loaded to.
#include "arch/cache.h"
#include "arch/timer.h"
#include "dev/mailbox.h"
#include "dev/uart.h"
#include "dev/uart_pl011.h"
#include "gen/loader.h"
#include "loader/loader.h"
#include "platform/pi.h"

#define TICKS_PER_S_UNSET   62500000 // where the firmware has set no frequency: that of QEMU
#define CLOCKS_PER_BIT      16       // a PL011's least
#define MAX_ERROR_PER_MILLE 20       // half of what ten bits from one start bit to the next bear

static enum uart_kind uart;
static uint32_t first_divisor;

static int line_getc(void)
{
    const int byte = uart_getc();
    return byte < 0 ? LINK_NO_BYTE : byte;
}

// Polls without resting: with the caches off and 16 bytes of FIFO there is no time to spare.
static void rest(void)
{
}

// Of an 8250 only the firmware knows the clock: it stays as it is.
static bool set_baud(uint32_t baud)
{
    if (uart != UART_PL011) {
        return baud == 0;
    }
    if (baud == 0) {
        if (pl011_divisor() != first_divisor) {
            pl011_set_divisor(first_divisor);
        }
        return true;
    }
    const uint64_t clock_hz = LOADER_UART_CLOCK_HZ;
    const uint32_t divisor = pl011_divisor_of(LOADER_UART_CLOCK_HZ, baud);
    if (divisor < PL011_DIVISOR_MIN || divisor >= PL011_DIVISOR_END) {
        return false;
    }
    const uint64_t real = 4 * clock_hz / divisor;
    const uint64_t error = real > baud ? real - baud : baud - real;
    if (error * 1000 > (uint64_t)MAX_ERROR_PER_MILLE * baud) {
        return false;
    }
    pl011_set_divisor(divisor);
    return true;
}

// On a Pi the console's pins may be another UART's, or nobody's.
static void console_init(void)
{
    struct devices devices = {0};
    devices.uart.kind = LOADER_UART_KIND;
    devices.uart.base = LOADER_UART_BASE;
    devices.uart.reg_shift = LOADER_UART_REG_SHIFT;
    devices.uart.reg_width = LOADER_UART_REG_WIDTH;
    devices.gpio.kind = LOADER_GPIO_KIND;
    devices.gpio.base = LOADER_GPIO_BASE;
    mailbox_init(LOADER_MAILBOX, LOADER_MAILBOX_BUS);
    pi_console_init(&devices);
    uart_init(&devices.uart);
    uart = devices.uart.kind;
    first_divisor = uart == UART_PL011 ? pl011_divisor() : 0;
}

// Called by start.S in the copy high above `base`, MMU and data cache off. The size of the kernel
// that now lies at base, of which no cache holds an old copy.
uint64_t loader_main(uint8_t *base, uint64_t size_bytes, uint64_t x0)
{
    cache_invalidate(base, base + size_bytes); // dirty lines of the firmware's must not come late
    console_init();
    struct loader_io io;
    io.line.getc = line_getc;
    io.line.putc = uart_putc;
    io.line.ticks = timer_ticks;
    io.line.ticks_per_s = timer_ticks_per_s() ? timer_ticks_per_s() : TICKS_PER_S_UNSET;
    io.line.idle = rest;
    io.line.pause = rest;
    io.set_baud = set_baud;
    io.baud_max = uart == UART_PL011 ? LOADER_UART_CLOCK_HZ / CLOCKS_PER_BIT : 0;
    io.banner = LOADER_BANNER;
    io.firmware_x0 = x0;
    struct loader_memory memory;
    memory.base = base;
    memory.size = (uint32_t)size_bytes;
    const uint32_t size = loader_receive(&io, &memory);
    set_baud(0);
    cache_invalidate(base, base + size_bytes);
    return size;
}
