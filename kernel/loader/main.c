// The loader's machine: a PL011, the generic timer, and the memory that it was loaded to.
#include "arch/cache.h"
#include "arch/timer.h"
#include "gen/loader.h"
#include "loader/loader.h"
#include "loader/uart.h"

#define TICKS_PER_S_UNSET 62500000 // where the firmware has set no frequency: that of QEMU

static int line_getc(void)
{
    const int byte = uart_take();
    return byte < 0 ? LINK_NO_BYTE : byte;
}

// Polls without resting: with the caches off and 16 bytes of FIFO there is no time to spare.
static void rest(void)
{
}

static bool set_baud(uint32_t baud)
{
    return baud == 0 ? uart_restore() : uart_set_baud(LOADER_UART_CLOCK_HZ, baud);
}

// Called by start.S in the copy high above `base`, MMU and data cache off. The size of the kernel
// that now lies at base, of which no cache holds an old copy.
uint64_t loader_main(uint8_t *base, uint64_t size_bytes, uint64_t x0)
{
    cache_invalidate(base, base + size_bytes); // dirty lines of the firmware's must not come late
    uart_take_over(LOADER_UART_BASE);
    struct loader_io io;
    io.line.getc = line_getc;
    io.line.putc = uart_send;
    io.line.ticks = timer_ticks;
    io.line.ticks_per_s = timer_ticks_per_s() ? timer_ticks_per_s() : TICKS_PER_S_UNSET;
    io.line.idle = rest;
    io.line.pause = rest;
    io.set_baud = set_baud;
    io.baud_max = LOADER_UART_CLOCK_HZ / UART_CLOCKS_PER_BIT;
    io.banner = LOADER_BANNER;
    io.firmware_x0 = x0;
    struct loader_memory memory;
    memory.base = base;
    memory.size = (uint32_t)size_bytes;
    const uint32_t size = loader_receive(&io, &memory);
    uart_restore();
    cache_invalidate(base, base + size_bytes);
    return size;
}
