// GICv2 interrupt controller, as far as waking WFI needs it: no interrupt is ever taken.
#pragma once

#include "lib/types.h"

// Opens distributor and CPU interface for this CPU: a pending, enabled interrupt ends a WFI even
// while PSTATE.I masks it.
void gic_init(paddr_t distributor, paddr_t cpu_interface);

// The same for the CPU interface of another CPU, which calls it: signals of others end its WFI.
void gic_init_cpu(void);

void gic_enable(unsigned irq);

// Ends the WFI of every other CPU, or the next one that it executes.
void gic_signal_others(void);

// Takes the signals to this CPU: they end no further WFI.
void gic_take_signals(void);

// Lets nothing through any more: no interrupt ends a WFI.
void gic_stop(void);
