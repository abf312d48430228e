// Entry of the image: Linux arm64 Image header, drop to EL1, first stack, .bss, then C. And the
// entry of every further CPU.
//
// Entered by a boot loader (Linux, Documentation/arch/arm64/booting.rst) at EL1 or EL2 with the MMU
// off, data caches off, x0 = FDT or something that is none. Runs at any address: every symbol is
// reached by adrp/add.
#include "arch/start.h"
#include "lib/phase.h"

.macro adr_l reg, symbol
    adrp    \reg, \symbol
    add     \reg, \reg, :lo12:\symbol
.endm

    .section .text.start, "ax"
    .global _start
_start:
    b       entry                   // code0
    .long   0                       // code1
    .quad   0x80000                 // text_offset: what every loader for every board accepts
    .quad   __image_size            // memory that must be free behind the start, planned regions too
    .quad   0xa                     // little endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

entry:
    PHASE_MARK(PHASE_ENTRY)
    msr     daifset, #0xf           // U-Boot hands over with SError unmasked
    mrs     x19, mpidr_el1
    ldr     x9, =MPIDR_AFFINITY
    tst     x19, x9
    b.ne    park                    // the boot CPU is 0.0.0.0; a loader may release all of them
    mov     x20, x0                 // FDT
    mrs     x21, CurrentEL
    lsr     x21, x21, #2
    bl      enter_el1
    adr_l   x9, exception_stack + EXCEPTION_STACK_SIZE
    msr     tpidrro_el0, x9
    msr     contextidr_el1, xzr     // the boot CPU is number 0
    isb

    // .bss is written with the caches off. A line that the loader left there could be evicted over
    // our zeros, or be hit once the caches are on: drop them first.
    adr_l   x0, __bss_start
    adr_l   x1, __bss_end
    bl      cache_invalidate
    adr_l   x0, __bss_start         // 64-byte aligned at both ends (linker script)
    adr_l   x1, __bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    stp     xzr, xzr, [x0], #16
    stp     xzr, xzr, [x0], #16
    stp     xzr, xzr, [x0], #16
    b       1b

2:  adr_l   x9, early_stack + EARLY_STACK_SIZE
    mov     sp, x9
    mov     x29, xzr                // the backtrace ends here
    mov     x30, xzr
    mov     x0, x20
    mov     x1, x21
    bl      kernel_boot             // returns with the planned memory checked and mapped
    adr_l   x9, __stack_end
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    bl      kernel_main

park:
    wfe
    b       park

// A further CPU, from PSCI's CPU_ON or a spin table, at EL1 or EL2, MMU and caches off. Until they
// are on it writes nothing, and reads only what is in memory for certain: secondary.c and mmu.c saw
// to that.
    .global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    mrs     x19, mpidr_el1
    bl      enter_el1
    adr_l   x9, secondary_gate
1:  ldr     x10, [x9]
    cbnz    x10, 2f
    wfe                             // ends with the SEV that follows the opening, or an event
    b       1b
2:  dsb     sy                      // what was there before the gate opened is read after it
    ldr     x9, =MPIDR_AFFINITY
    and     x19, x19, x9
    adr_l   x9, secondary_mpidr
    mov     x20, #1                 // its number
3:  ldr     x10, [x9, x20, lsl #3]
    cmp     x10, x19
    b.eq    4f
    add     x20, x20, #1
    cmp     x20, #CPU_MAX
    b.lo    3b
    b       park                    // none that was called

4:  adr_l   x9, mmu_registers       // as the boot CPU has them
    ldp     x10, x11, [x9]
    ldp     x12, x13, [x9, #16]
    msr     mair_el1, x10
    msr     tcr_el1, x11
    msr     ttbr0_el1, x12
    msr     ttbr1_el1, xzr
    isb                             // in force before translation is
    tlbi    vmalle1                 // leftovers of the firmware, as in mmu_enable()
    ic      iallu
    dsb     nsh
    isb
    msr     sctlr_el1, x13
    isb                             // the next instruction is fetched through the map
    msr     contextidr_el1, x20
    adr_l   x9, __core_stacks_start
    mov     x10, #CORE_SLOT_SIZE
    madd    x9, x20, x10, x9        // end of its slot: number 1 has the first
    msr     tpidrro_el0, x9
    isb
    sub     x9, x9, #CORE_EXCEPTION_STACK_SIZE
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    bl      secondary_main          // does not return

// Comes back at EL1, from EL1 or EL2, with every register set that can trap or translate there: out
// of reset they are unknown. x19: MPIDR. Uses x9, x10.
enter_el1:
    mrs     x9, CurrentEL
    lsr     x9, x9, #2
    cmp     x9, #1
    b.eq    el1
    cmp     x9, #2
    b.ne    park                    // EL3: no loader of these boards enters there
    ldr     x9, =SCTLR_EL2_MMU_OFF
    msr     sctlr_el2, x9
    mov     x9, #HCR_EL2_RW         // EL1 is AArch64; no stage 2, no traps, no VHE
    msr     hcr_el2, x9
    isb                             // the layout of cptr_el2 and cnthctl_el2 depends on HCR_EL2.E2H
    mov     x9, #CPTR_EL2_NO_TRAPS
    msr     cptr_el2, x9
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    msr     cntvoff_el2, xzr        // virtual time = physical time
    mov     x9, #CNTHCTL_EL2_EL1_ACCESS
    msr     cnthctl_el2, x9
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    msr     vmpidr_el2, x19
    mrs     x9, id_aa64dfr0_el1
    ubfx    x9, x9, #8, #4          // PMUVer: 0 and 15 mean no PMUv3
    sub     x10, x9, #1
    cmp     x10, #14
    mov     x9, xzr
    b.hs    1f
    mrs     x9, pmcr_el0
    ubfx    x9, x9, #11, #5         // MDCR_EL2.HPMN = PMCR_EL0.N: all counters belong to EL1
1:  msr     mdcr_el2, x9
    mrs     x9, id_aa64mmfr0_el1
    ubfx    x9, x9, #56, #4         // FEAT_FGT: fine-grained traps
    cbz     x9, 2f
    msr     HFGRTR_EL2, xzr
    msr     HFGWTR_EL2, xzr
    msr     HFGITR_EL2, xzr
    msr     HDFGRTR_EL2, xzr
    msr     HDFGWTR_EL2, xzr
2:  mrs     x9, id_aa64mmfr1_el1
    ubfx    x9, x9, #40, #4         // FEAT_HCX: more of HCR_EL2
    cbz     x9, 3f
    msr     HCRX_EL2, xzr
3:  mrs     x9, id_aa64pfr0_el1
    ubfx    x9, x9, #24, #4         // GIC: system registers of a GICv3's CPU interface
    cbz     x9, 4f
    mov     x9, #ICC_SRE_EL2_EL1_ACCESS
    msr     ICC_SRE_EL2, x9
    isb                             // ich_hcr_el2 exists after it
    msr     ICH_HCR_EL2, xzr        // no virtual interrupts, no traps
4:  ldr     x9, =SCTLR_EL1_MMU_OFF
    msr     sctlr_el1, x9           // before EL1 exists, so that its first fetch is untranslated
    adr_l   x9, el1
    msr     elr_el2, x9
    mov     x9, #SPSR_EL1H_MASKED
    msr     spsr_el2, x9
    eret

el1:
    ldr     x9, =SCTLR_EL1_MMU_OFF
    msr     sctlr_el1, x9
    mov     x9, #CPACR_EL1_FP_SIMD
    msr     cpacr_el1, x9
    mov     x9, #CNTKCTL_EL1_EVENTS
    msr     cntkctl_el1, x9
    msr     mdscr_el1, xzr
    adr_l   x9, vectors
    msr     vbar_el1, x9
    msr     spsel, #1
    isb                             // FP registers and vectors are usable from here on
    // Unknown out of reset, and the firmware's otherwise. The contract of numbers (nn/README.md):
    // nearest even, subnormals kept, IEEE halves; no traps.
    msr     fpcr, xzr
    ret                             // x30 is the caller's, across the eret too

// No guard page below either: what runs on them has a depth known here, no recursion, no arrays of a
// model's size. kernel_boot() formats a line at most; the report walks at most 32 frame records.
    .section .bss.stacks, "aw", %nobits
    .balign 16
    .global early_stack, exception_stack
early_stack:
    .skip   EARLY_STACK_SIZE
exception_stack:
    .skip   EXCEPTION_STACK_SIZE
