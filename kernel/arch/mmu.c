// MMU and caches on, with the map that mmu_map.c has built. Names: Arm ARM (DDI 0487), D8 and D24.
#include "arch/mmu.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/image.h"

// Normal: write-back, read and write allocate, inner and outer. Device-nGnRE: no gathering, no
// reordering; the write may be acknowledged early.
#define MAIR_VALUE (0xffull << 8 * MMU_ATTR_NORMAL | 0x04ull << 8 * MMU_ATTR_DEVICE)

#define TCR_T0SZ         (64 - 39)
#define TCR_IRGN0_WBWA   (1ull << 8)
#define TCR_ORGN0_WBWA   (1ull << 10)
#define TCR_SH0_INNER    (3ull << 12)
#define TCR_T1SZ         ((64ull - 39) << 16)
#define TCR_EPD1         (1ull << 23) // no walks through TTBR1: the upper half does not exist
#define TCR_TG1_4K       (2ull << 30)
#define TCR_IPS(parange) ((uint64_t)(parange) << 32)
#define PARANGE_48_BITS  5 // the most that a 4 KiB granule without FEAT_LPA2 may name

#define SCTLR_M   (1ull << 0)  // MMU
#define SCTLR_C   (1ull << 2)  // data caches
#define SCTLR_SA  (1ull << 3)  // sp must be 16-byte aligned
#define SCTLR_I   (1ull << 12) // instruction cache
#define SCTLR_WXN (1ull << 19) // what can be written cannot be executed, whatever the tables say

#define PAR_FAULT          (1ull << 0)
#define PAR_IS_DEVICE(par) ((par) >> 60 == 0) // ATTR, as in MAIR_EL1: 0b0000xxxx is Device memory

struct mmu_registers mmu_registers;
static_assert(offsetof(struct mmu_registers, ttbr0) == 16, "as start.S loads it");

void mmu_enable(void)
{
    const uint64_t parange = READ_SYSREG(id_aa64mmfr0_el1) & 0xf;
    const uint64_t ips = parange < PARANGE_48_BITS ? parange : PARANGE_48_BITS;
    const uint64_t tcr = TCR_T0SZ | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER | TCR_T1SZ |
                         TCR_EPD1 | TCR_TG1_4K | TCR_IPS(ips);

    mmu_registers = (struct mmu_registers){
        .mair = MAIR_VALUE,
        .tcr = tcr,
        .ttbr0 = (paddr_t)mmu_tables(),
        .sctlr = SCTLR_EL1_MMU_OFF | SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_I | SCTLR_WXN,
    };

    // What was written with the caches off has reached memory before stale copies of it are
    // dropped.
    dsb();
    cache_invalidate(__data_start, __bss_end);
    cache_invalidate(mmu_tables(), (const uint8_t *)mmu_tables() + mmu_tables_size());

    WRITE_SYSREG(mair_el1, mmu_registers.mair);
    WRITE_SYSREG(tcr_el1, mmu_registers.tcr);
    WRITE_SYSREG(ttbr0_el1, mmu_registers.ttbr0);
    WRITE_SYSREG(ttbr1_el1, 0);
    isb(); // the registers above are in force before translation is
    // TLB and instruction cache may hold leftovers of the firmware; the dsb waits until they are
    // gone, the isb refetches.
    __asm__ volatile("tlbi vmalle1\n\tic iallu\n\tdsb nsh\n\tisb" ::: "memory");
    WRITE_SYSREG(sctlr_el1, mmu_registers.sctlr);
    isb(); // the next instruction is fetched through the map
}

static void tell_all_cpus(void)
{
    // First dsb: the walkers of all CPUs see the entries before the TLBs are emptied, or one could
    // load an old entry again behind the tlbi. `is`: the TLBs of all CPUs, that may hold entries
    // with which one can write. Second dsb: all have done so. isb: what this CPU has fetched or
    // translated ahead is dropped; another CPU's next store meets its empty TLB.
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
}

void mmu_protect(paddr_t start, paddr_t end)
{
    mmu_tables_protect(start, end);
    tell_all_cpus();
}

void mmu_seal(void)
{
    mmu_tables_seal();
    tell_all_cpus();
}

bool mmu_readable(paddr_t start, uint64_t size)
{
    const paddr_t end = start + size;
    if (end < start) {
        return false;
    }
    for (paddr_t page = ALIGN_DOWN(start, PAGE_SIZE); page < end; page += PAGE_SIZE) {
        __asm__ volatile("at s1e1r, %0" ::"r"(page) : "memory");
        isb(); // PAR_EL1 holds the result only after it
        const uint64_t par = READ_SYSREG(par_el1);
        if ((par & PAR_FAULT) || PAR_IS_DEVICE(par)) {
            return false;
        }
    }
    return true;
}
