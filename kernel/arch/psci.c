// PSCI calls: SMC calling convention (Arm DEN 0028), x0..x3 in, x0 out.
#include "arch/psci.h"

int64_t psci_call(enum psci_conduit conduit, uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
// Version 1.0 of the convention lets the firmware destroy x4..x17.
#define CLOBBERS                                                                                   \
    "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",    \
        "memory"
    switch (conduit) {
    case PSCI_HVC:
        __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::CLOBBERS);
        return (int64_t)x0;
    case PSCI_SMC:
        __asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::CLOBBERS);
        return (int64_t)x0;
    default:
        return -1;
    }
#undef CLOBBERS
}
