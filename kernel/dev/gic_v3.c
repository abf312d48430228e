// GICv3 interrupt controller. Names and offsets: Arm IHI 0069, chapter 12. As Linux uses it: group
// 1 of the non-secure world, affinity routing on, the CPU interface in system registers.
#include "dev/gic_v3.h"

#include "arch/cpu.h"
#include "arch/mmio.h"
#include "arch/timer.h"

#define GICD_CTLR          0x0000
#define GICD_CTLR_GROUP_1  (1u << 0)  // with one security state: group 0, which has nothing then
#define GICD_CTLR_GROUP_1A (1u << 1)  // with one security state: group 1
#define GICD_CTLR_ARE      (1u << 4)  // affinity routing
#define GICD_CTLR_RWP      (1u << 31) // a write of it is not complete yet
#define GICD_IROUTER       0x6000     // eight bytes per interrupt: the affinity of a CPU
#define GICR_TYPER         0x0008     // eight bytes
#define GICR_TYPER_VLPIS   (1u << 1)
#define GICR_TYPER_LAST    (1u << 4)
#define GICR_WAKER         0x0014
#define GICR_WAKER_SLEEP   (1u << 1) // ProcessorSleep
#define GICR_WAKER_ASLEEP  (1u << 2) // ChildrenAsleep
#define GICR_SGI_BASE      0x10000   // of a frame: SGIs and PPIs, with offsets as the distributor's
#define GIC_IGROUPR        0x0080    // one bit per interrupt
#define GIC_ISENABLER      0x0100
#define GIC_IPRIORITYR     0x0400 // one byte per interrupt
#define PRIORITY_MIDDLE    0x80u
#define PMR_ALL            0xffu // every priority may pass
#define GIC_FIRST_SHARED   32u
#define GIC_ID(iar)        ((iar) & 0xffffffu)
#define GIC_FIRST_NONE     1020u
#define GIC_LAST_NONE      1023u
#define SGI_WAKE           0u           // the one interrupt between cores
#define ICC_SGI1R_OTHERS   (1ull << 40) // to all CPUs but the one that writes
#define ICC_SRE_SRE        1u           // system registers, not memory
#define MPIDR_AFFINITY_0_2 0xffffffull
#define MPIDR_AFFINITY_3   0xff00000000ull
#define ANSWER_US          10000

static paddr_t gicd, gicr;
static unsigned n_gicr;

static bool clears(paddr_t reg, uint32_t bit)
{
    const uint64_t deadline = timer_deadline_us(ANSWER_US);
    while (mmio_read32(reg) & bit) {
        if (timer_ticks() >= deadline) {
            return false;
        }
    }
    return true;
}

// The frame of the CPU that asks; 0: none.
static paddr_t own_frame(void)
{
    const uint64_t mpidr = READ_SYSREG(mpidr_el1);
    const uint32_t affinity =
        (uint32_t)((mpidr & MPIDR_AFFINITY_3) >> 8 | (mpidr & MPIDR_AFFINITY_0_2));
    paddr_t frame = gicr;
    const paddr_t end = gicr + (paddr_t)n_gicr * GIC_V3_REDISTRIBUTOR_SIZE;
    while (frame < end) {
        if (mmio_read32(frame + GICR_TYPER + 4) == affinity) {
            return frame;
        }
        const uint32_t typer = mmio_read32(frame + GICR_TYPER);
        if (typer & GICR_TYPER_LAST) {
            break;
        }
        frame += GIC_V3_REDISTRIBUTOR_SIZE * (typer & GICR_TYPER_VLPIS ? 2 : 1);
    }
    return 0;
}

bool gic_v3_init(paddr_t distributor, paddr_t redistributors, unsigned n_frames)
{
    gicd = distributor;
    gicr = redistributors;
    n_gicr = n_frames;
    mmio_write32(gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GROUP_1A | GICD_CTLR_GROUP_1);
    return clears(gicd + GICD_CTLR, GICD_CTLR_RWP) && gic_v3_init_cpu();
}

bool gic_v3_init_cpu(void)
{
    const paddr_t frame = own_frame();
    if (frame == 0) {
        return false;
    }
    // Firmware of the secure world has woken it, and keeps the register to itself: then it reads 0.
    mmio_write32(frame + GICR_WAKER, mmio_read32(frame + GICR_WAKER) & ~GICR_WAKER_SLEEP);
    if (!clears(frame + GICR_WAKER, GICR_WAKER_ASLEEP)) {
        return false;
    }
    mmio_write32(frame + GICR_SGI_BASE + GIC_IGROUPR, ~0u);
    WRITE_SYSREG(icc_sre_el1, READ_SYSREG(icc_sre_el1) | ICC_SRE_SRE);
    isb(); // the registers below exist after it
    WRITE_SYSREG(icc_pmr_el1, PMR_ALL);
    WRITE_SYSREG(icc_igrpen1_el1, 1);
    isb(); // in force before a WFI relies on it
    gic_v3_enable(SGI_WAKE);
    return true;
}

void gic_v3_enable(unsigned irq)
{
    const bool is_shared = irq >= GIC_FIRST_SHARED;
    const paddr_t base = is_shared ? gicd : own_frame() + GICR_SGI_BASE;
    const uint32_t bit = 1u << irq % 32;
    if (is_shared) {
        const uint64_t mpidr = READ_SYSREG(mpidr_el1);
        const paddr_t router = gicd + GICD_IROUTER + 8 * (paddr_t)irq;
        mmio_write32(router, (uint32_t)(mpidr & MPIDR_AFFINITY_0_2)); // this one is to be woken
        mmio_write32(router + 4, (uint32_t)((mpidr & MPIDR_AFFINITY_3) >> 32));
        const paddr_t group = gicd + GIC_IGROUPR + irq / 32 * 4;
        mmio_write32(group, mmio_read32(group) | bit);
    }
    mmio_write8(base + GIC_IPRIORITYR + irq, PRIORITY_MIDDLE);
    mmio_write32(base + GIC_ISENABLER + irq / 32 * 4, bit);
}

void gic_v3_signal_others(void)
{
    dsb(); // what they are to see is there before they wake
    WRITE_SYSREG(icc_sgi1r_el1, ICC_SGI1R_OTHERS | (uint64_t)SGI_WAKE << 24);
    isb(); // sent now, not when it suits
}

void gic_v3_take_signals(void)
{
    for (;;) {
        const uint64_t iar = READ_SYSREG(icc_iar1_el1);
        dsb(); // the read has taken the interrupt before a WFI could see it pending again
        if (GIC_ID(iar) >= GIC_FIRST_NONE && GIC_ID(iar) <= GIC_LAST_NONE) {
            return;
        }
        WRITE_SYSREG(icc_eoir1_el1, iar);
        isb();
    }
}

void gic_v3_stop(void)
{
    mmio_write32(gicd + GICD_CTLR, GICD_CTLR_ARE);
}
