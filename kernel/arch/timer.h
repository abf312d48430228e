// Generic timer: the virtual counter, and the virtual timer as an alarm for WFI.
#pragma once

#include "arch/cpu.h"

#define TIMER_VIRTUAL_IRQ 27 // PPI 11: the number of the virtual timer on every Arm BSA system

static inline uint64_t timer_ticks(void)
{
    isb(); // the counter may be read early: not before what is being timed has begun
    return READ_SYSREG(cntvct_el0);
}

static inline uint64_t timer_ticks_per_s(void)
{
    return READ_SYSREG(cntfrq_el0);
}

// timer_ticks() when so many microseconds will have passed: at least, and one tick more at most. A
// counter whose frequency the firmware has not set counts as the fastest that we know, 1 GHz.
static inline uint64_t timer_deadline_us(uint64_t us)
{
    const uint64_t ticks_per_s = timer_ticks_per_s();
    return timer_ticks() + us * (ticks_per_s != 0 ? ticks_per_s : 1000000000) / 1000000 + 1;
}

static inline void timer_wait_us(uint64_t us)
{
    const uint64_t deadline = timer_deadline_us(us);
    while (timer_ticks() < deadline) {
    }
}

// The timer's interrupt becomes pending after `ticks`, and stays so until the alarm is set again.
static inline void timer_alarm(uint32_t ticks)
{
    WRITE_SYSREG(cntv_tval_el0, ticks);
    WRITE_SYSREG(cntv_ctl_el0, 1); // enabled, not masked
    isb();                         // set before the WFI that counts on it
}
