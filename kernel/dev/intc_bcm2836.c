// Two interrupt controllers in a row. Names and offsets: BCM2836 ARM-local peripherals (QA7),
// section 4; BCM2835 ARM Peripherals, section 7.5.
#include "dev/intc_bcm2836.h"

#include "arch/cpu.h"
#include "arch/mmio.h"

#define N_CORES 4u

// Of the local controller.
#define GPU_ROUTING           0x0c // 0: the peripherals' IRQ goes to core 0
#define TIMER_CONTROL(core)   (0x40 + 4 * (core))
#define TIMER_CONTROL_VIRTUAL (1u << 3)
#define MAILBOX_CONTROL(core) (0x50 + 4 * (core))
#define MAILBOX_CONTROL_0     (1u << 0)
#define MAILBOX_0_SET(core)   (0x80 + 16 * (core)) // any bit interrupts the core
#define MAILBOX_0_CLEAR(core) (0xc0 + 16 * (core))
#define SIGNAL                1u

// Of the peripherals' controller, by bank: 0 (basic), 1, 2.
#define ENABLE(bank)  ((bank) == 0 ? 0x18u : 0x0cu + 4 * (bank))
#define DISABLE(bank) ((bank) == 0 ? 0x24u : 0x18u + 4 * (bank))
#define N_BANKS       3u

static paddr_t local, shared;

static unsigned own_core(void)
{
    return READ_SYSREG(mpidr_el1) & 0xff; // Aff0, on these chips
}

void intc_bcm2836_init(paddr_t local_base, paddr_t shared_base)
{
    local = local_base;
    shared = shared_base;
    for (unsigned bank = 0; bank < N_BANKS; bank++) {
        mmio_write32(shared + DISABLE(bank), 0xffffffff); // what the firmware has left on
    }
    mmio_write32(local + GPU_ROUTING, own_core());
    intc_bcm2836_init_cpu();
}

void intc_bcm2836_init_cpu(void)
{
    const unsigned core = own_core();
    mmio_write32(local + TIMER_CONTROL(core), TIMER_CONTROL_VIRTUAL);
    mmio_write32(local + MAILBOX_CONTROL(core), MAILBOX_CONTROL_0);
}

void intc_bcm2836_enable(unsigned irq)
{
    mmio_write32(shared + ENABLE(irq / 32), 1u << irq % 32);
}

void intc_bcm2836_signal_others(void)
{
    for (unsigned core = 0; core < N_CORES; core++) {
        if (core != own_core()) {
            mmio_write32(local + MAILBOX_0_SET(core), SIGNAL);
        }
    }
}

void intc_bcm2836_take_signals(void)
{
    mmio_write32(local + MAILBOX_0_CLEAR(own_core()), SIGNAL);
}

void intc_bcm2836_stop(void)
{
    mmio_write32(local + TIMER_CONTROL(own_core()), 0);
    mmio_write32(local + MAILBOX_CONTROL(own_core()), 0);
    for (unsigned bank = 0; bank < N_BANKS; bank++) {
        mmio_write32(shared + DISABLE(bank), 0xffffffff);
    }
}
