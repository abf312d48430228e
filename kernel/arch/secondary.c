// Further CPUs: out of the firmware's hands.
#include "arch/secondary.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/image.h"

#define CACHE_LINE 64

void secondary_entry(void); // start.S

// Read by start.S with the caches off. The gate has a cache line for itself: it alone changes once
// the caches are on.
uint64_t secondary_mpidr[CPU_MAX];
__attribute__((aligned(CACHE_LINE))) uint64_t secondary_gate[CACHE_LINE / sizeof(uint64_t)];

static struct cpu cpus[CPU_MAX]; // by number
static int n_cpus;

// The CPU waits in WFE for a word of memory to change; both ends have their caches off.
static void release(const struct cpu *cpu)
{
    *(volatile uint64_t *)cpu->release = (uint64_t)image_address((void *)secondary_entry);
    dsb(); // the word is there before the event
    sev();
}

int secondary_prepare(const struct cpu *described, int n)
{
    const uint64_t boot = READ_SYSREG(mpidr_el1) & MPIDR_AFFINITY;
    secondary_mpidr[0] = boot;
    n_cpus = 1;
    for (int i = 0; i < n && n_cpus < CPU_MAX; i++) {
        if (described[i].mpidr == boot) {
            continue;
        }
        secondary_mpidr[n_cpus] = described[i].mpidr;
        cpus[n_cpus++] = described[i];
    }
    for (int i = n_cpus; i < CPU_MAX; i++) {
        secondary_mpidr[i] = UINT64_MAX; // nobody's
    }
    dsb(); // the numbers are there before anybody looks for its own
    for (int i = 1; i < n_cpus; i++) {
        if (cpus[i].method == CPU_METHOD_SPIN_TABLE) {
            release(&cpus[i]);
        }
    }
    return n_cpus;
}

void secondary_open(void)
{
    secondary_gate[0] = 1;
    cache_clean(secondary_gate, secondary_gate + ARRAY_SIZE(secondary_gate)); // complete before
    sev();
}

int64_t secondary_start(int number, enum psci_conduit conduit)
{
    if (cpus[number].method != CPU_METHOD_PSCI) {
        return 0;
    }
    const paddr_t entry = image_address((void *)secondary_entry);
    return psci_call(conduit, PSCI_CPU_ON, cpus[number].mpidr, entry, 0);
}

enum cpu_method secondary_method(int number)
{
    return cpus[number].method;
}

uint64_t secondary_affinity(int number)
{
    return secondary_mpidr[number];
}
