// A Raspberry Pi's registers, made here: what platform/pi.c and the drivers below it do with them.
//
//     pi_driver describe ARM_HZ MEASURED_HZ TEMPERATURE FLAGS    a rate of 0: length-0 answer
//     pi_driver console pl011|mini [on|half] [UART_HZ] [2711]
//     pi_driver dead pl011|mini                                  a UART that never takes a byte
//     pi_driver silent                                           a mailbox that never answers
#include "arch/mmio.h"
#include "arch/timer.h"
#include "dev/mailbox.h"
#include "dev/uart.h"
#include "platform/pi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAILBOX 0x3f00b880u
#define GPIO    0x3f200000u
#define PL011   0x3f201000u
#define MINI    0x3f215040u

uint64_t fake_us;

static struct {
    bool silent;
    uint32_t arm_hz, measured_hz, uart_hz, temperature, flags;
    uint32_t message;
    uint32_t gpio[64], pl011[32], mini[32], aux_enables;
} sim;

// The property message has crossed over: its address is our buffer's lower half.
static uint32_t *shared_buffer;

void cache_clean(const void *start, const void *end)
{
    (void)end;
    shared_buffer = (uint32_t *)(uintptr_t)start;
}

void cache_invalidate(const void *start, const void *end)
{
    (void)start, (void)end;
}

static void reply(uint32_t length, uint32_t a, uint32_t b)
{
    shared_buffer[1] = 0x80000000;
    shared_buffer[4] = 0x80000000 | length;
    shared_buffer[5] = a;
    shared_buffer[6] = b;
}

static void property(void)
{
    const uint32_t tag = shared_buffer[2], id = shared_buffer[5];
    const uint32_t hz = id == MAILBOX_CLOCK_ARM ? sim.arm_hz : sim.uart_hz;
    switch (tag) {
    case MAILBOX_CLOCK_RATE:
    case MAILBOX_MAX_CLOCK_RATE:
        reply(hz ? 8 : 0, id, hz);
        break;
    case MAILBOX_MEASURED_RATE:
        reply(sim.measured_hz ? 8 : 0, id, sim.measured_hz);
        break;
    case MAILBOX_SET_CLOCK_RATE:
        printf("set clock %u to %u\n", id, shared_buffer[6]);
        reply(8, id, shared_buffer[6]);
        break;
    case MAILBOX_TEMPERATURE:
        reply(8, 0, sim.temperature);
        break;
    case MAILBOX_THROTTLED:
        reply(4, sim.flags, 0);
        break;
    default:
        reply(0, 0, 0);
    }
}

uint32_t mmio_read32(paddr_t address)
{
    if (address == MAILBOX) {
        return sim.message;
    }
    if (address == MAILBOX + 0x18) {
        return sim.silent ? 1u << 30 : 0;
    }
    if (address >= GPIO && address < GPIO + sizeof sim.gpio) {
        return sim.gpio[(address - GPIO) / 4];
    }
    if (address >= PL011 && address < PL011 + sizeof sim.pl011) {
        return sim.pl011[(address - PL011) / 4];
    }
    if (address >= MINI && address < MINI + sizeof sim.mini) {
        return sim.mini[(address - MINI) / 4];
    }
    return address == MINI - 0x3c ? sim.aux_enables : 0;
}

void mmio_write32(paddr_t address, uint32_t value)
{
    if (address == MAILBOX + 0x20) {
        sim.message = value;
        property();
    } else if (address >= GPIO && address < GPIO + sizeof sim.gpio) {
        sim.gpio[(address - GPIO) / 4] = value;
    } else if (address >= PL011 && address < PL011 + sizeof sim.pl011) {
        sim.pl011[(address - PL011) / 4] = value;
    } else if (address >= MINI && address < MINI + sizeof sim.mini) {
        sim.mini[(address - MINI) / 4] = value;
    } else if (address == MINI - 0x3c) {
        sim.aux_enables = value;
    }
}

uint8_t mmio_read8(paddr_t address)
{
    return (uint8_t)mmio_read32(address);
}

void mmio_write8(paddr_t address, uint8_t value)
{
    mmio_write32(address, value);
}

static void console(int argc, char **argv)
{
    const bool is_mini = strcmp(argv[0], "mini") == 0;
    struct devices devices = {.gpio = {GPIO_BCM2835, GPIO}};
    devices.uart = is_mini ? (struct uart){UART_BCM2835_MINI, MINI, 0, 1}
                           : (struct uart){UART_PL011, PL011, 0, 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "on") == 0) { // as with disable-bt in config.txt
            sim.gpio[1] = 4u << 12 | 4u << 15;
            sim.pl011[0x30 / 4] = 0x301;
            sim.pl011[0x2c / 4] = 0x70;
            sim.pl011[0x24 / 4] = 99;
        } else if (strcmp(argv[i], "half") == 0) { // without FIFOs
            sim.gpio[1] = 4u << 12 | 4u << 15;
            sim.pl011[0x30 / 4] = 0x301;
            sim.pl011[0x24 / 4] = 99;
        } else if (strcmp(argv[i], "2711") == 0) {
            devices.gpio.kind = GPIO_BCM2711;
        } else {
            sim.uart_hz = (uint32_t)strtoul(argv[i], NULL, 0);
        }
    }
    sim.gpio[1] |= 1u << 18;                    // pin 16 is an output: it is to stay one
    sim.gpio[3] = 7u << 6 | 7u << 9 | 7u << 12; // 32 to 34 are ALT3: Bluetooth, and another
    pi_console_init(&devices);
    printf("pins=0x%x pulls=0x%x\n", sim.gpio[1], sim.gpio[0xe4 / 4]);
    printf("pl011=%u/%u lcrh=0x%x cr=0x%x\n", sim.pl011[0x24 / 4], sim.pl011[0x28 / 4],
           sim.pl011[0x2c / 4], sim.pl011[0x30 / 4]);
    printf("mini=%u lcr=0x%x cntl=0x%x enables=0x%x\n", sim.mini[0x28 / 4], sim.mini[0xc / 4],
           sim.mini[0x20 / 4], sim.aux_enables);
    printf("pins 30 to 39=0x%x\n", sim.gpio[3]);
}

static void dead(bool is_mini)
{
    const struct uart uart = {is_mini ? UART_BCM2835_MINI : UART_PL011, is_mini ? MINI : PL011, 0,
                              1};
    sim.pl011[0x18 / 4] = 1u << 5; // its FIFO is full; the mini UART's zeros say the same
    uart_init(&uart);
    const uint64_t began = fake_us;
    for (int i = 0; i < 1000; i++) {
        uart_putc('x');
    }
    const bool is_once =
        fake_us - began > UART_PATIENCE_US && fake_us - began < 2 * UART_PATIENCE_US;
    sim.pl011[0x18 / 4] = 0;
    sim.mini[5] = 1u << 5; // back again
    uart_putc('y');
    printf("waited once=%d then=%c\n", is_once, is_mini ? sim.mini[0] : sim.pl011[0]);
}

int main(int argc, char **argv)
{
    mailbox_init(MAILBOX, 0xc0000000);
    if (strcmp(argv[1], "console") == 0) {
        console(argc - 2, argv + 2);
        return 0;
    }
    if (strcmp(argv[1], "dead") == 0) {
        dead(strcmp(argv[2], "mini") == 0);
        return 0;
    }
    char text[96];
    sim.silent = strcmp(argv[1], "silent") == 0;
    if (!sim.silent) {
        sim.arm_hz = (uint32_t)strtoul(argv[2], NULL, 0);
        sim.measured_hz = (uint32_t)strtoul(argv[3], NULL, 0);
        sim.temperature = (uint32_t)strtoul(argv[4], NULL, 0);
        sim.flags = (uint32_t)strtoul(argv[5], NULL, 0);
    }
    pi_raise_clock();
    pi_describe(text, sizeof text);
    printf("%s\n", text);
    return 0;
}
