// Brings the further cores up: each reports, the boot core counts them and gives them their ranks.
#include "smp/cores.h"

#include "arch/cpu.h"
#include "arch/timer.h"
#include "lib/format.h"
#include "smp/parallel.h"
#include "smp/wait.h"

static_assert(PARALLEL_MAX_CORES == CPU_MAX, "every core that is started can be used");

#define PATIENCE_S 1 // firmware needs milliseconds

enum core_state {
    CORE_ABSENT,
    CORE_NO_METHOD, // the FDT names no way that we know
    CORE_REFUSED,   // by the firmware
    CORE_CALLED,
    CORE_HERE,
    CORE_SILENT, // called in vain; if it comes after all, it is sent to sleep
    CORE_RANKED, // + rank in the team
};

static uint32_t states[CPU_MAX];
static int64_t refusals[CPU_MAX]; // PSCI's errors

static void call(int number, enum psci_conduit conduit)
{
    if (secondary_method(number) == CPU_METHOD_NONE) {
        states[number] = CORE_NO_METHOD;
        return;
    }
    __atomic_store_n(&states[number], CORE_CALLED, __ATOMIC_RELEASE); // before it can come
    refusals[number] = secondary_start(number, conduit);
    if (refusals[number] != 0) {
        states[number] = CORE_REFUSED;
    }
}

// Whoever changes CORE_CALLED first decides: the core, or the boot core's patience.
static bool take_from_called(int number, enum core_state state)
{
    uint32_t called = CORE_CALLED;
    return __atomic_compare_exchange_n(&states[number], &called, state, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void await(int number, uint64_t deadline)
{
    while (__atomic_load_n(&states[number], __ATOMIC_ACQUIRE) == CORE_CALLED) {
        if (timer_ticks() >= deadline) {
            take_from_called(number, CORE_SILENT);
        } else {
            wfe(); // the core's SEV ends it, or the event stream
        }
    }
}

int cores_start(int n_cpus, enum psci_conduit conduit)
{
    int n_cores = 1;
    states[0] = CORE_RANKED;
    secondary_open();
    for (int i = 1; i < n_cpus; i++) {
        call(i, conduit);
    }
    const uint64_t deadline = timer_ticks() + PATIENCE_S * timer_ticks_per_s();
    for (int i = 1; i < n_cpus; i++) {
        await(i, deadline);
        n_cores += states[i] == CORE_HERE;
    }
    parallel_open(n_cores);
    for (int i = 1, rank = 1; i < n_cpus; i++) {
        if (states[i] == CORE_HERE) {
            // Release: the core sees the opened team.
            __atomic_store_n(&states[i], (uint32_t)(CORE_RANKED + rank++), __ATOMIC_RELEASE);
        }
    }
    wait_wake();
    return n_cores;
}

noreturn void secondary_main(unsigned number)
{
    serror_unmask(); // its exception stack is there
    if (!take_from_called((int)number, CORE_HERE)) {
        cpu_halt();
    }
    wait_wake();
    parallel_follow((int)(wait_while(&states[number], CORE_HERE) - CORE_RANKED));
}

int cores_rank(unsigned number)
{
    const uint32_t state = __atomic_load_n(&states[number], __ATOMIC_RELAXED);
    return state > CORE_RANKED ? (int)(state - CORE_RANKED) : 0;
}

bool cores_missing(int number, char *text, size_t size)
{
    switch (states[number]) {
    case CORE_NO_METHOD:
        format(text, size, "the device tree names no enable-method that this kernel knows");
        return true;
    case CORE_REFUSED:
        format(text, size, "PSCI CPU_ON answers %ld", (long)refusals[number]);
        return true;
    case CORE_SILENT:
        format(text, size, "called, but it did not come within %d s", PATIENCE_S);
        return true;
    default:
        return false;
    }
}
