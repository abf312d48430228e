// Raspberry Pi: pins, clocks, temperature, over the mailbox.
#include "platform/pi.h"

#include "arch/timer.h"
#include "dev/mailbox.h"
#include "dev/uart_mini.h"
#include "dev/uart_pl011.h"
#include "lib/format.h"

#define TX_PIN           14u
#define RX_PIN           15u
#define BLUETOOTH_TX_PIN 32u // where the firmware connects the PL011, as their ALT3
#define BLUETOOTH_RX_PIN 33u
#define BAUD             115200u
#define UART_HZ          48000000u  // what the firmware makes it unless config.txt says otherwise
#define CORE_HZ          250000000u // with enable_uart=1, which a mini UART needs
#define CLOCK_SETTLES_US 1000

// A clock of the ARM cores outside these is no clock, but an emulator's or a firmware's nonsense.
#define ARM_HZ_MIN 100000000u
#define ARM_HZ_MAX 4000000000u

#define TEMPERATURE_MAX 150000u // thousandths of a degree; silicon would not answer

#define THROTTLED_UNDERVOLTAGE (1u << 0)
#define THROTTLED_CAPPED       (1u << 1)
#define THROTTLED_NOW          (1u << 2)
#define THROTTLED_SOFT_LIMIT   (1u << 3)
#define THROTTLED_PAST_SHIFT   16 // the same four: since it was switched on

uint32_t pi_revision(void)
{
    uint32_t revision = 0;
    return mailbox_call(MAILBOX_BOARD_REVISION, &revision, 0, 1) ? revision : 0;
}

bool pi_memory(struct range *ram)
{
    uint32_t values[2] = {0, 0};
    if (!mailbox_call(MAILBOX_ARM_MEMORY, values, 0, 2) || values[1] == 0) {
        return false;
    }
    ram->start = values[0];
    ram->end = (paddr_t)values[0] + values[1];
    return true;
}

// A rate that 16 times the baud rate can be divided from; else what the firmware is known to set.
static uint32_t clock_or(uint32_t id, uint32_t least, uint32_t otherwise)
{
    const uint32_t hz = mailbox_get(MAILBOX_CLOCK_RATE, id);
    return hz >= least && hz <= ARM_HZ_MAX ? hz : otherwise;
}

static void set_clock(uint32_t id, uint32_t hz)
{
    uint32_t values[3] = {id, hz, 0}; // 0: turbo goes with it
    mailbox_call(MAILBOX_SET_CLOCK_RATE, values, 3, 2);
    timer_wait_us(CLOCK_SETTLES_US);
}

// A receiver of two pins hears both of them.
static void leave_bluetooth(const struct devices *devices)
{
    for (unsigned pin = BLUETOOTH_TX_PIN; pin <= BLUETOOTH_RX_PIN; pin++) {
        if (gpio_function(devices->gpio.base, pin) == GPIO_ALT3) {
            gpio_select(devices->gpio.base, pin, GPIO_INPUT);
        }
    }
}

static void select_pins(const struct devices *devices, enum gpio_function function)
{
    gpio_select(devices->gpio.base, TX_PIN, function);
    gpio_select(devices->gpio.base, RX_PIN, function);
    gpio_pull(devices->gpio.base, devices->gpio.kind, TX_PIN, GPIO_PULL_NONE);
    // Without a cable it reads as an idle line, not as noise.
    gpio_pull(devices->gpio.base, devices->gpio.kind, RX_PIN, GPIO_PULL_UP);
}

void pi_console_init(const struct devices *devices)
{
    const struct uart *uart = &devices->uart;
    if (devices->gpio.kind == GPIO_NONE) {
        return;
    }
    const enum gpio_function function = gpio_function(devices->gpio.base, RX_PIN);
    if (uart->kind == UART_PL011) {
        // The firmware may have it on for Bluetooth, at other pins: both must be so.
        if (function == GPIO_ALT0 && pl011_is_enabled(uart->base)) {
            return;
        }
        set_clock(MAILBOX_CLOCK_UART, UART_HZ);
        const uint32_t hz = clock_or(MAILBOX_CLOCK_UART, 16 * BAUD, UART_HZ);
        leave_bluetooth(devices);
        select_pins(devices, GPIO_ALT0);
        pl011_configure(uart->base, hz, BAUD);
    } else if (uart->kind == UART_BCM2835_MINI) {
        if (function == GPIO_ALT5 && uart_mini_is_enabled(uart->base)) {
            return;
        }
        const uint32_t hz = clock_or(MAILBOX_CLOCK_CORE, 16 * BAUD, CORE_HZ);
        select_pins(devices, GPIO_ALT5);
        uart_mini_configure(uart->base, hz, BAUD);
    }
}

void pi_raise_clock(void)
{
    const uint32_t max = mailbox_get(MAILBOX_MAX_CLOCK_RATE, MAILBOX_CLOCK_ARM);
    if (max >= ARM_HZ_MIN && max <= ARM_HZ_MAX) {
        set_clock(MAILBOX_CLOCK_ARM, max);
    }
}

uint32_t pi_arm_hz(void)
{
    const uint32_t measured = mailbox_get(MAILBOX_MEASURED_RATE, MAILBOX_CLOCK_ARM);
    const uint32_t hz =
        measured != 0 ? measured : mailbox_get(MAILBOX_CLOCK_RATE, MAILBOX_CLOCK_ARM);
    return hz >= ARM_HZ_MIN && hz <= ARM_HZ_MAX ? hz : 0;
}

uint32_t pi_temperature(void)
{
    const uint32_t temperature = mailbox_get(MAILBOX_TEMPERATURE, 0);
    return temperature <= TEMPERATURE_MAX ? temperature : 0;
}

bool pi_throttled(uint32_t *flags)
{
    *flags = 0;
    return mailbox_call(MAILBOX_THROTTLED, flags, 0, 1);
}

static size_t describe_throttling(char *text, size_t size, uint32_t flags)
{
    const uint32_t past = flags >> THROTTLED_PAST_SHIFT;
    if (((flags | past) & 0xf) == 0) {
        return format(text, size, ", not throttled");
    }
    return format(text, size, ", %s%s%s%s%s", flags & THROTTLED_UNDERVOLTAGE ? "UNDERVOLTAGE " : "",
                  flags & THROTTLED_CAPPED ? "capped " : "",
                  flags & THROTTLED_NOW ? "THROTTLED " : "",
                  flags & THROTTLED_SOFT_LIMIT ? "hot " : "",
                  (flags & 0xf) == 0 ? "was throttled since power on" : "now");
}

void pi_describe(char *text, size_t size)
{
    const uint32_t hz = pi_arm_hz();
    size_t n = 0;
    text[0] = '\0';
    if (hz == 0) {
        return;
    }
    n += format(text + n, size - n, "ARM clock %u MHz", (hz + 500000) / 1000000);
    const uint32_t temperature = pi_temperature();
    if (temperature != 0) {
        n += format(text + n, size - n, ", %u.%u C", temperature / 1000, temperature / 100 % 10);
    }
    uint32_t flags;
    if (pi_throttled(&flags)) {
        describe_throttling(text + n, size - n, flags);
    }
}
