// The CPU's identity.
#include "arch/cpu.h"

// Arm Ltd (implementer 0x41). Text inside the table: a table of pointers would need relocations.
static const struct {
    uint16_t part;
    char name[14];
} cores[] = {
    {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"}, {0xd07, "Cortex-A57"},
    {0xd08, "Cortex-A72"},  {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"}, {0xd0b, "Cortex-A76"},
    {0xd0c, "Neoverse-N1"}, {0xd40, "Neoverse-V1"}, {0xd41, "Cortex-A78"}, {0xd46, "Cortex-A510"},
    {0xd47, "Cortex-A710"}, {0xd49, "Neoverse-N2"},
};

void (*cpu_halt_hook)(void);

void cpu_halt(void)
{
    WRITE_SYSREG(cntv_ctl_el0, 0); // a pending interrupt would turn the WFI into a busy loop
    if (cpu_halt_hook != NULL) {
        cpu_halt_hook();
    }
    isb();
    for (;;) {
        wfi();
    }
}

unsigned cpu_number(void)
{
    // Nothing uses it for what it is for, naming processes to debuggers: start.S put the number
    // there.
    return (unsigned)READ_SYSREG(contextidr_el1);
}

unsigned cpu_part(void)
{
    return (unsigned)(READ_SYSREG(midr_el1) >> 4) & 0xfff;
}

const char *cpu_name(void)
{
    const uint64_t implementer = READ_SYSREG(midr_el1) >> 24;
    for (size_t i = 0; i < ARRAY_SIZE(cores) && implementer == 0x41; i++) {
        if (cpu_part() == cores[i].part) {
            return cores[i].name;
        }
    }
    return "";
}

// Fields of four bits; 0 means that the CPU has none of it.
bool cpu_has_crc32(void)
{
    return (READ_SYSREG(id_aa64isar0_el1) >> 16 & 0xf) != 0;
}

bool cpu_has_dotprod(void)
{
    return (READ_SYSREG(id_aa64isar0_el1) >> 44 & 0xf) != 0;
}

bool cpu_has_i8mm(void)
{
    return (READ_SYSREG(id_aa64isar1_el1) >> 52 & 0xf) != 0;
}
