// Further CPUs: how each is woken, and the way into secondary_main() (start.S).
#pragma once

#include "arch/psci.h"
#include "arch/start.h"

enum cpu_method { CPU_METHOD_NONE, CPU_METHOD_PSCI, CPU_METHOD_SPIN_TABLE };

// One CPU as the FDT describes it.
struct cpu {
    uint64_t mpidr; // affinity, as in `reg`
    enum cpu_method method;
    paddr_t release; // spin table: the CPU waits until an address stands here
};

// Gives numbers to at most CPU_MAX CPUs, the boot CPU first (it need not be among them), and takes
// those of spin tables out of the firmware's loop, into one of ours. MMU and caches off: the
// firmware's words need no map, and what is written here is in memory. Returns how many there are.
int secondary_prepare(const struct cpu *cpus, int n);

// Lets those in our loop go on. MMU on.
void secondary_open(void);

// Asks the firmware to start CPU `number`, if that is its method: 0, or PSCI's error. MMU on.
int64_t secondary_start(int number, enum psci_conduit conduit);

enum cpu_method secondary_method(int number);
uint64_t secondary_affinity(int number);

// Called by start.S on each further CPU: MMU and caches on, exceptions masked, on its own stack.
noreturn void secondary_main(unsigned number);
