// The CPU's identity.
#include "arch/cpu.h"

// Arm Ltd (implementer 0x41). Text inside the table: a table of pointers would need relocations.
//
// prefetch_bytes: how far ahead a plain Armv8.0 mat-vec should ask for weights, which is what it
// reads while DRAM answers, twice over since four cores share the DRAM, in whole lines. Bytes per
// cycle are llvm-mca's of Q4_K (`bench --mca`, 1152 bytes per block of eight rows), 100 to 150 ns
// of latency are what is measured on boards of their time; none of it has been tried on hardware.
//   A53, A35: 1152 / (8 * 193) = 0.75 bytes a cycle, 150 ns at 1.2 to 1.4 GHz: 160 bytes, twice:
//   320
//             Their own prefetcher follows a stride, but only while few lines are on their way.
//   A72 and like: 1152 / (8 * 42) = 3.4 bytes a cycle, 100 ns at 1.5 to 1.8 GHz: 600, twice: 1216
//   with dotprod: none. They do not use these mat-vecs, and follow a stream by themselves.
static const struct {
    uint16_t part, prefetch_bytes;
    char name[14];
} cores[] = {
    {0xd03, 320, "Cortex-A53"},  {0xd04, 320, "Cortex-A35"},  {0xd05, 0, "Cortex-A55"},
    {0xd07, 1216, "Cortex-A57"}, {0xd08, 1216, "Cortex-A72"}, {0xd09, 1216, "Cortex-A73"},
    {0xd0a, 0, "Cortex-A75"},    {0xd0b, 0, "Cortex-A76"},    {0xd0c, 0, "Neoverse-N1"},
    {0xd40, 0, "Neoverse-V1"},   {0xd41, 0, "Cortex-A78"},    {0xd46, 0, "Cortex-A510"},
    {0xd47, 0, "Cortex-A710"},   {0xd49, 0, "Neoverse-N2"},
};
#define PREFETCH_BYTES_UNKNOWN 320 // too near is late, too far may fall out of the cache again

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

// Index in cores, or ARRAY_SIZE(cores).
static size_t core_index(void)
{
    const uint64_t implementer = READ_SYSREG(midr_el1) >> 24;
    for (size_t i = 0; i < ARRAY_SIZE(cores) && implementer == 0x41; i++) {
        if (cpu_part() == cores[i].part) {
            return i;
        }
    }
    return ARRAY_SIZE(cores);
}

const char *cpu_name(void)
{
    const size_t i = core_index();
    return i < ARRAY_SIZE(cores) ? cores[i].name : "";
}

uint32_t cpu_prefetch_bytes(void)
{
    const size_t i = core_index();
    return i < ARRAY_SIZE(cores) ? cores[i].prefetch_bytes : PREFETCH_BYTES_UNKNOWN;
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
