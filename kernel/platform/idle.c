// Waiting without burning the CPU, and switching the machine off.
#include "platform/platform.h"

#include "arch/cpu.h"
#include "arch/timer.h"
#include "dev/gic_v2.h"
#include "dev/uart_pl011.h"

#define WAKES_PER_S 10 // often enough for the link's timeouts, seldom enough to cost nothing

static bool interrupts_wake;

void platform_idle_init(const struct platform *platform)
{
    interrupts_wake = platform->gicd != 0 && platform->uart_irq != 0;
    if (interrupts_wake) {
        gic_init(platform->gicd, platform->gicc);
        gic_enable(platform->uart_irq);
        gic_enable(TIMER_VIRTUAL_IRQ);
        uart_rx_interrupt_enable();
        cpu_halt_hook = gic_stop; // a byte that nobody reads keeps its interrupt pending
    }
}

void platform_idle(void)
{
    if (!interrupts_wake) {
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
    return interrupts_wake;
}

void platform_core_init(void)
{
    if (interrupts_wake) {
        gic_init_cpu();
    }
}

void platform_core_sleep(void)
{
    wfi();
    gic_take_signals();
}

void platform_wake_cores(void)
{
    gic_signal_others();
}

void platform_poweroff(const struct platform *platform)
{
    psci_call(platform->psci, PSCI_SYSTEM_OFF, 0, 0, 0);
    cpu_halt(); // no PSCI: the person switches off
}

void platform_reboot(const struct platform *platform)
{
    psci_call(platform->psci, PSCI_SYSTEM_RESET, 0, 0, 0);
    cpu_halt();
}
