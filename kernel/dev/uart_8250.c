// 8250 UART, polled. Names: TI PC16550D data sheet, table II. Registers are one byte wide, but lie
// 1 << shift bytes apart and are accessed as the bus wants it.
#include "dev/uart_8250.h"

#include "arch/mmio.h"
#include "dev/uart_room.h"

#define UART_RBR       0 // read: received byte
#define UART_THR       0 // write: byte to send
#define UART_IER       1
#define UART_IER_ERBFI (1u << 0) // received data, or its timeout
#define UART_IER_ELSI  (1u << 2) // line status; the mini UART's other interrupt needs it (errata)
#define UART_FCR       2
#define UART_FCR_FIFOS (1u << 0)
#define UART_LSR       5
#define UART_LSR_DR    (1u << 0) // a byte has been received
#define UART_LSR_THRE  (1u << 5) // the transmitter takes another byte

static paddr_t base;
static unsigned shift, width;
static bool is_stuck; // its FIFO was full for too long

static uint32_t read_reg(unsigned reg)
{
    const paddr_t address = base + (reg << shift);
    return width == 4 ? mmio_read32(address) : mmio_read8(address);
}

static void write_reg(unsigned reg, uint8_t value)
{
    const paddr_t address = base + (reg << shift);
    if (width == 4) {
        mmio_write32(address, value);
    } else {
        mmio_write8(address, value);
    }
}

void uart_8250_init(paddr_t uart_base, unsigned reg_shift, unsigned reg_width)
{
    base = uart_base;
    shift = reg_shift;
    width = reg_width;
    write_reg(UART_IER, 0);
    write_reg(UART_FCR, UART_FCR_FIFOS);
}

static bool is_full(void)
{
    return (read_reg(UART_LSR) & UART_LSR_THRE) == 0;
}

void uart_8250_putc(uint8_t byte)
{
    if (uart_room(is_full, &is_stuck)) {
        write_reg(UART_THR, byte);
    }
}

int uart_8250_getc(void)
{
    if ((read_reg(UART_LSR) & UART_LSR_DR) == 0) {
        return -1;
    }
    return (int)(read_reg(UART_RBR) & 0xff);
}

void uart_8250_rx_interrupt_enable(void)
{
    write_reg(UART_IER, UART_IER_ERBFI | UART_IER_ELSI);
}
