// Constants of the way into EL1, for start.S and vectors.S. Names: Arm ARM (DDI 0487), chapter D.
#pragma once

#define EARLY_STACK_SIZE     8192
#define EXCEPTION_STACK_SIZE 8192
#define EXCEPTION_FRAME_SIZE 272 // struct exception_frame, a multiple of 16

// CPUs that are used at most, the boot CPU included, and the planned memory of each further one,
// upwards: pages that are not mapped (more than the largest frame, a GEMM's 7.9 KiB: none jumps
// over them), its stack, its exception stack. A report of an exception takes 1.5 KiB.
#define CPU_MAX                   8
#define CORE_GUARD_SIZE           8192
#define CORE_STACK_SIZE           13824
#define CORE_EXCEPTION_STACK_SIZE 2560
#define CORE_SLOT_SIZE            (CORE_GUARD_SIZE + CORE_STACK_SIZE + CORE_EXCEPTION_STACK_SIZE)

#define MPIDR_AFFINITY 0xff00ffffff // Aff3, Aff2..0: which CPU it is

// All RES1 bits of Armv8.0; MMU, caches and alignment checks off; little endian.
#define SCTLR_EL2_MMU_OFF 0x30c50830
#define SCTLR_EL1_MMU_OFF 0x30d00800

#define HCR_EL2_RW             (1 << 31)
#define CPTR_EL2_NO_TRAPS      0x33ff // RES1 bits; FP and SIMD are not trapped
#define CNTHCTL_EL2_EL1_ACCESS 3      // EL1PCTEN, EL1PCEN: physical counter and timer
#define ICC_SRE_EL2_EL1_ACCESS 0xf    // SRE, no bypass, Enable: EL1 may use the registers
#define SPSR_EL1H_MASKED       0x3c5  // EL1, SP_EL1, D A I F masked
#define CPACR_EL1_FP_SIMD      (3 << 20)

// Event stream: EVNTEN, and EVNTI = 10: an event each time bit 10 of the counter rises, that is
// every 2^11 ticks (33 us at 62.5 MHz, 107 us at 19.2 MHz). It ends a WFE, in which no byte may be
// lost: a PL011's 16-byte FIFO fills within 107 us at 1.5 Mbaud.
#define CNTKCTL_EL1_EVENTS (1 << 2 | 10 << 4)

// Armv8.6 names that an Armv8.0 assembler does not know.
#define HFGRTR_EL2  S3_4_C1_C1_4
#define HFGWTR_EL2  S3_4_C1_C1_5
#define HFGITR_EL2  S3_4_C1_C1_6
#define HDFGRTR_EL2 S3_4_C3_C1_4
#define HDFGWTR_EL2 S3_4_C3_C1_5
#define HCRX_EL2    S3_4_C1_C2_2
