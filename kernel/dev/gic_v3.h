// GICv3 interrupt controller, as far as waking WFI needs it: no interrupt is ever taken.
#pragma once

#include "lib/types.h"

// The registers' sizes; the redistributors' frames follow one another, a CPU's each.
#define GIC_V3_DISTRIBUTOR_SIZE   0x10000u
#define GIC_V3_REDISTRIBUTOR_SIZE 0x20000u // without virtual LPIs, which GICv4 has

// As gic_v2.h has them. redistributors: the first frame, of n_frames that are mapped. False: it has
// no frame for this CPU among them, or does not answer.
bool gic_v3_init(paddr_t distributor, paddr_t redistributors, unsigned n_frames);
bool gic_v3_init_cpu(void);
void gic_v3_enable(unsigned irq);
void gic_v3_signal_others(void);
void gic_v3_take_signals(void);
void gic_v3_stop(void);
