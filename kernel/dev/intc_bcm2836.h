// Interrupts of the BCM2836 and BCM2837 (Raspberry Pi 2 and 3), as far as waking WFI needs them: no
// interrupt is ever taken. Same shape as gic_v2.h.
#pragma once

#include "lib/types.h"

// local: the cores' own controller; shared: the one of the peripherals, from its IRQ basic pending
// register on (device trees: brcm,bcm2836-l1-intc and brcm,bcm2836-armctrl-ic). For this CPU, which
// is to be woken by peripherals.
void intc_bcm2836_init(paddr_t local, paddr_t shared);

// For another CPU, which calls it.
void intc_bcm2836_init_cpu(void);

// irq: 32 times its bank in the device tree (0 to 2), plus its number there.
void intc_bcm2836_enable(unsigned irq);

void intc_bcm2836_signal_others(void);
void intc_bcm2836_take_signals(void);
void intc_bcm2836_stop(void);
