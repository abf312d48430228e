// PSCI (Arm DEN 0022): power functions of the firmware.
#pragma once

#include "lib/types.h"

enum psci_conduit { PSCI_NONE, PSCI_HVC, PSCI_SMC };

#define PSCI_SYSTEM_OFF   0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_CPU_ON       0xc4000003u // 64-bit: (MPIDR affinity, entry, value for x0)

// The firmware's answer (negative: an error); PSCI_NONE: -1, not supported.
int64_t psci_call(enum psci_conduit conduit, uint32_t function, uint64_t a, uint64_t b, uint64_t c);
