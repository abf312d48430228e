// Waiting without burning the CPU, and switching the machine off.
#include "platform/platform.h"

#include "arch/cpu.h"
#include "arch/timer.h"
#include "dev/gic_v2.h"
#include "dev/gic_v3.h"
#include "dev/intc_bcm2836.h"
#include "dev/pm_bcm2835.h"

#define WAKES_PER_S 10     // often enough for the link's timeouts, seldom enough to cost nothing
#define PM_ACTS_US  100000 // a reset takes 150 us

static enum intc_kind intc; // INTC_NONE: nothing wakes from a WFI
static bool is_deaf;        // a core that no signal of another one reaches

void platform_idle_init(const struct platform *platform)
{
    const struct devices *d = &platform->devices;
    if (d->uart_irq == 0) {
        return;
    }
    intc = d->intc.kind;
    switch (intc) {
    case INTC_GIC_V2:
        gic_init(d->intc.first, d->intc.second);
        gic_enable(d->uart_irq);
        gic_enable(TIMER_VIRTUAL_IRQ);
        cpu_halt_hook = gic_stop; // a byte that nobody reads keeps its interrupt pending
        break;
    case INTC_GIC_V3:
        if (!gic_v3_init(d->intc.first, d->intc.second, CPU_MAX)) {
            intc = INTC_NONE;
            return;
        }
        gic_v3_enable(d->uart_irq);
        gic_v3_enable(TIMER_VIRTUAL_IRQ);
        cpu_halt_hook = gic_v3_stop;
        break;
    case INTC_BCM2836: // the timer is one of its own
        intc_bcm2836_init(d->intc.first, d->intc.second);
        intc_bcm2836_enable(d->uart_irq);
        cpu_halt_hook = intc_bcm2836_stop;
        break;
    case INTC_NONE:
        return;
    }
    uart_rx_interrupt_enable();
}

void platform_idle(void)
{
    if (intc == INTC_NONE) {
        wfe(); // the event stream (start.S) ends it
        return;
    }
    // A byte that came before the WFI keeps its interrupt pending: none is slept over.
    timer_alarm((uint32_t)(timer_ticks_per_s() / WAKES_PER_S));
    wfi();
}

void platform_pause(void)
{
    wfe(); // the event stream (start.S) ends it
}

bool platform_cores_can_sleep(void)
{
    return intc != INTC_NONE && !is_deaf;
}

void platform_core_init(void)
{
    if (intc == INTC_GIC_V2) {
        gic_init_cpu();
    } else if (intc == INTC_GIC_V3) {
        if (!gic_v3_init_cpu()) {
            is_deaf = true; // seen by the boot core behind the barrier that ends this phase
        }
    } else if (intc == INTC_BCM2836) {
        intc_bcm2836_init_cpu();
    }
}

void platform_core_sleep(void)
{
    wfi();
    if (intc == INTC_GIC_V2) {
        gic_take_signals();
    } else if (intc == INTC_GIC_V3) {
        gic_v3_take_signals();
    } else {
        intc_bcm2836_take_signals();
    }
}

void platform_wake_cores(void)
{
    if (intc == INTC_GIC_V2) {
        gic_signal_others();
    } else if (intc == INTC_GIC_V3) {
        gic_v3_signal_others();
    } else {
        intc_bcm2836_signal_others();
    }
}

// The firmware of a board has PSCI, or the board has the watchdog of a Pi; else the person acts.
void platform_poweroff(const struct platform *platform)
{
    psci_call(platform->psci, PSCI_SYSTEM_OFF, 0, 0, 0);
    if (platform->devices.pm != 0) {
        pm_halt(platform->devices.pm);
        timer_wait_us(PM_ACTS_US);
    }
    cpu_halt();
}

void platform_reboot(const struct platform *platform)
{
    psci_call(platform->psci, PSCI_SYSTEM_RESET, 0, 0, 0);
    if (platform->devices.pm != 0) {
        pm_reset(platform->devices.pm);
        timer_wait_us(PM_ACTS_US);
    }
    cpu_halt();
}
