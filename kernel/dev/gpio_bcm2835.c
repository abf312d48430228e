// GPIO pins. Names and offsets: BCM2835 ARM Peripherals, section 6.1; BCM2711 ARM Peripherals,
// section 5.2.
#include "dev/gpio_bcm2835.h"

#include "arch/mmio.h"
#include "arch/timer.h"

#define GPFSEL(pin)        (4 * ((pin) / 10)) // three bits per pin
#define GPFSEL_SHIFT(pin)  (3 * ((pin) % 10))
#define GPPUD              0x94
#define GPPUD_UP           2u
#define GPPUDCLK(pin)      (0x98 + 4 * ((pin) / 32))
#define GPPUD_WAIT_US      5 // wanted: 150 cycles of a core clock of 250 MHz or more
#define GPIO_PUP_PDN(pin)  (0xe4 + 4 * ((pin) / 16)) // BCM2711: two bits per pin
#define GPIO_PUP_PDN_UP    1u
#define PUP_PDN_SHIFT(pin) (2 * ((pin) % 16))

static void change(paddr_t address, uint32_t mask, uint32_t bits)
{
    mmio_write32(address, (mmio_read32(address) & ~mask) | bits);
}

enum gpio_function gpio_function(paddr_t base, unsigned pin)
{
    return (enum gpio_function)(mmio_read32(base + GPFSEL(pin)) >> GPFSEL_SHIFT(pin) & 7);
}

void gpio_select(paddr_t base, unsigned pin, enum gpio_function function)
{
    change(base + GPFSEL(pin), 7u << GPFSEL_SHIFT(pin), (uint32_t)function << GPFSEL_SHIFT(pin));
}

void gpio_pull(paddr_t base, enum gpio_kind kind, unsigned pin, enum gpio_pull pull)
{
    if (kind == GPIO_BCM2711) {
        const uint32_t bits = pull == GPIO_PULL_UP ? GPIO_PUP_PDN_UP : 0;
        change(base + GPIO_PUP_PDN(pin), 3u << PUP_PDN_SHIFT(pin), bits << PUP_PDN_SHIFT(pin));
        return;
    }
    mmio_write32(base + GPPUD, pull == GPIO_PULL_UP ? GPPUD_UP : 0);
    timer_wait_us(GPPUD_WAIT_US);
    mmio_write32(base + GPPUDCLK(pin), 1u << pin % 32); // the pin takes what GPPUD says
    timer_wait_us(GPPUD_WAIT_US);
    mmio_write32(base + GPPUD, 0);
    mmio_write32(base + GPPUDCLK(pin), 0);
}
