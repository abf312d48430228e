// System registers and the CPU's identity.
#pragma once

#include "lib/types.h"

#define READ_SYSREG(name)                                                                          \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        __asm__ volatile("mrs %0, " #name : "=r"(value_));                                         \
        value_;                                                                                    \
    })
// The memory clobber keeps accesses on their side of the write; whether an isb is due is the
// caller's to know.
#define WRITE_SYSREG(name, value)                                                                  \
    __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")

static inline void isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static inline void dsb(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

static inline void wfi(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

static inline void wfe(void)
{
    __asm__ volatile("wfe" ::: "memory");
}

static inline void serror_unmask(void)
{
    __asm__ volatile("msr daifclr, #4" ::: "memory");
}

// For good: what would end the sleep is silenced first, the timer here, the rest by cpu_halt_hook.
noreturn void cpu_halt(void);
extern void (*cpu_halt_hook)(void); // NULL until somebody lets interrupts through

// Ends the WFE of every CPU, or the next one that it executes: no event comes too early.
static inline void sev(void)
{
    __asm__ volatile("sev" ::: "memory");
}

// Number of this CPU: 0 is the boot CPU, the others count on in the order of the FDT.
unsigned cpu_number(void);

// Part number of the core, from MIDR_EL1.
unsigned cpu_part(void);

// Name of the core from MIDR_EL1, or "" if it is none that we know.
const char *cpu_name(void);

// SDOT (FEAT_DotProd) and SMMLA (FEAT_I8MM) on vectors.
bool cpu_has_dotprod(void);
bool cpu_has_i8mm(void);

// The CRC32 instructions are optional in Armv8.0.
bool cpu_has_crc32(void);
