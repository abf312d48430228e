// GICv2 interrupt controller, as far as waking WFI needs it: no interrupt is ever taken.
#pragma once

#include "lib/types.h"

// Opens distributor and CPU interface for this CPU: a pending, enabled interrupt ends a WFI even
// while PSTATE.I masks it.
void gic_init(paddr_t distributor, paddr_t cpu_interface);

void gic_enable(unsigned irq);

// Lets nothing through any more: no interrupt ends a WFI.
void gic_stop(void);
