// GICv2 interrupt controller. Names and offsets: Arm IHI 0048B, chapter 4.
#include "dev/gic_v2.h"

#include "arch/mmio.h"

#define GICD_CTLR        0x000
#define GICD_ISENABLER   0x100 // one bit per interrupt
#define GICD_IPRIORITYR  0x400 // one byte per interrupt
#define GICD_ITARGETSR   0x800 // one byte per interrupt: mask of CPU interfaces
#define GICC_CTLR        0x000
#define GICC_PMR         0x004
#define GIC_ENABLE       1u
#define GICC_PMR_ALL     0xffu // every priority may pass
#define PRIORITY_MIDDLE  0x80u
#define GIC_FIRST_SHARED 32u // below: SGIs and PPIs, banked per CPU

static paddr_t gicd;

void gic_init(paddr_t distributor, paddr_t cpu_interface)
{
    gicd = distributor;
    mmio_write32(gicd + GICD_CTLR, GIC_ENABLE);
    mmio_write32(cpu_interface + GICC_PMR, GICC_PMR_ALL);
    mmio_write32(cpu_interface + GICC_CTLR, GIC_ENABLE);
}

void gic_enable(unsigned irq)
{
    mmio_write8(gicd + GICD_IPRIORITYR + irq, PRIORITY_MIDDLE);
    if (irq >= GIC_FIRST_SHARED) {
        // The first bytes are read-only and show the CPU that reads: this one is to be woken.
        mmio_write8(gicd + GICD_ITARGETSR + irq, mmio_read8(gicd + GICD_ITARGETSR));
    }
    mmio_write32(gicd + GICD_ISENABLER + irq / 32 * 4, 1u << irq % 32);
}

void gic_stop(void)
{
    mmio_write32(gicd + GICD_CTLR, 0);
}
