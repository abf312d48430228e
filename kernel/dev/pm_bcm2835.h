// Power management of the BCM2835 and its successors: the watchdog that resets the machine.
#pragma once

#include "lib/types.h"

// Both come into force after some 150 us.
void pm_reset(paddr_t base);
void pm_halt(
    paddr_t base); // a reset into a firmware that stays off until power is cut and restored
