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

// The timer's interrupt becomes pending after `ticks`, and stays so until the alarm is set again.
static inline void timer_alarm(uint32_t ticks)
{
    WRITE_SYSREG(cntv_tval_el0, ticks);
    WRITE_SYSREG(cntv_ctl_el0, 1); // enabled, not masked
    isb();                         // set before the WFI that counts on it
}
