// Waiting in WFE, and after a while in WFI.
//
// No wake-up is missed. WFE: the waker's store is complete (dsb) before its SEV, and a SEV is
// remembered by every core until its next WFE. So either the look before a WFE sees the new value,
// or the SEV comes after that look and ends the WFE. WFI: see sleep_while().
#include "smp/wait_arm.h"

#include "arch/cpu.h"
#include "arch/timer.h"
#include "lib/phase.h"
#include "smp/wait.h"

// In WFE a core is back within nanoseconds; a pause between two tokens, sent at 1 Mbaud, is
// shorter.
#define SLEEP_AFTER_TICKS(ticks_per_s) ((ticks_per_s) / 128) // 8 ms

static struct wait_hooks wait_hooks;
static uint32_t may_sleep; // wait_hooks is there
static uint32_t n_asleep;
static uint32_t stopped_by; // number + 1 of the CPU that stopped the others

void wait_sleep_by(struct wait_hooks hooks)
{
    wait_hooks = hooks;
    __atomic_store_n(&may_sleep, 1, __ATOMIC_RELEASE); // after what it promises
}

static bool is_stopped(void)
{
    const uint32_t by = __atomic_load_n(&stopped_by, __ATOMIC_RELAXED);
    return by != 0 && by != cpu_number() + 1;
}

void wait_if_stopped(void)
{
    if (is_stopped()) {
        cpu_halt();
    }
}

void wait_stop_others(void)
{
    uint32_t nobody = 0;
    // Relaxed: the number is all there is to see.
    __atomic_compare_exchange_n(&stopped_by, &nobody, cpu_number() + 1, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    wait_if_stopped();
    dsb(); // they see it when the event makes them look
    sev();
}

uint32_t wait_while(const uint32_t *word, uint32_t value)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (now == value) {
        PHASE_MARK(PHASE_WAIT_BEGIN);
        while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == value) {
            wait_if_stopped();
            wfe();
        }
        PHASE_MARK(PHASE_WAIT_END);
    }
    return now;
}

// The sleeper counts itself, then looks at the word; the waker changes the word, then looks at the
// count; each with a full barrier between. So one of the two sees what the other did: the sleeper
// does not sleep, or the waker wakes it, and a wake-up that comes before the sleep ends it at once.
static void sleep_while(const uint32_t *word, uint32_t value)
{
    __atomic_fetch_add(&n_asleep, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(word, __ATOMIC_RELAXED) == value) {
        wait_hooks.sleep();
    }
    __atomic_fetch_sub(&n_asleep, 1, __ATOMIC_RELAXED);
}

uint32_t wait_long_while(const uint32_t *word, uint32_t value)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (now == value) {
        PHASE_MARK(PHASE_WAIT_BEGIN);
        const uint64_t began = timer_ticks(), patience = SLEEP_AFTER_TICKS(timer_ticks_per_s());
        while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == value) {
            wait_if_stopped();
            if (__atomic_load_n(&may_sleep, __ATOMIC_ACQUIRE) && timer_ticks() - began > patience) {
                sleep_while(word, value);
            } else {
                wfe(); // the event stream (start.S) ends it in any case, so that the time is seen
            }
        }
        PHASE_MARK(PHASE_WAIT_END);
    }
    return now;
}

void wait_wake(void)
{
    dsb(); // the word is changed for all to see: before the look at n_asleep, and before any event
    if (__atomic_load_n(&n_asleep, __ATOMIC_RELAXED) > 0) {
        wait_hooks.wake();
    }
    sev();
}
