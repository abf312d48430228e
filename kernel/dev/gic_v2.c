// GICv2 interrupt controller. Names and offsets: Arm IHI 0048B, chapter 4.
#include "dev/gic_v2.h"

#include "arch/mmio.h"

#define GICD_CTLR        0x000
#define GICD_ISENABLER   0x100 // one bit per interrupt
#define GICD_IPRIORITYR  0x400 // one byte per interrupt
#define GICD_ITARGETSR   0x800 // one byte per interrupt: mask of CPU interfaces
#define GICD_SGIR        0xf00
#define GICD_SGIR_OTHERS (1u << 24) // to all CPUs but the one that writes
#define SGI_WAKE         0u         // the one interrupt between cores
#define GICC_CTLR        0x000
#define GICC_PMR         0x004
#define GICC_IAR         0x00c
#define GICC_EOIR        0x010
#define GIC_ENABLE       1u
#define GICC_PMR_ALL     0xffu // every priority may pass
#define PRIORITY_MIDDLE  0x80u
#define GIC_FIRST_SHARED 32u // below: SGIs and PPIs, banked per CPU
#define GIC_ID(iar)      ((iar) & 0x3ffu)
#define GIC_FIRST_NONE   1020u // ids that say: nothing is pending

static paddr_t gicd, gicc;

void gic_init(paddr_t distributor, paddr_t cpu_interface)
{
    gicd = distributor;
    gicc = cpu_interface;
    mmio_write32(gicd + GICD_CTLR, GIC_ENABLE);
    gic_init_cpu();
}

void gic_init_cpu(void)
{
    mmio_write32(gicc + GICC_PMR, GICC_PMR_ALL); // banked, like all that follows
    mmio_write32(gicc + GICC_CTLR, GIC_ENABLE);
    gic_enable(SGI_WAKE);
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

void gic_signal_others(void)
{
    mmio_write32(gicd + GICD_SGIR, GICD_SGIR_OTHERS | SGI_WAKE);
}

void gic_take_signals(void)
{
    uint32_t iar;
    while (GIC_ID(iar = mmio_read32(gicc + GICC_IAR)) < GIC_FIRST_NONE) {
        mmio_write32(gicc + GICC_EOIR, iar);
    }
}

void gic_stop(void)
{
    mmio_write32(gicd + GICD_CTLR, 0);
}
