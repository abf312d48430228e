// In place of kernel/arch/timer.h: time that passes by a microsecond each time it is looked at.
#pragma once

#include "lib/types.h"

extern uint64_t fake_us;

static inline uint64_t timer_ticks(void)
{
    return fake_us++;
}

static inline uint64_t timer_ticks_per_s(void)
{
    return 1000000;
}

static inline uint64_t timer_deadline_us(uint64_t us)
{
    return fake_us + us;
}

static inline void timer_wait_us(uint64_t us)
{
    fake_us += us;
}
