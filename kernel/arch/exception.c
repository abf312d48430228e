// The panic report of an exception: cause, registers, backtrace.
#include "arch/exception.h"

#include "arch/cpu.h"
#include "arch/image.h"
#include "lib/panic.h"

#define MAX_BACKTRACE 32

#define ESR_EC(esr)           ((unsigned)((esr) >> 26) & 0x3f) // exception class
#define ESR_FSC(esr)          ((unsigned)(esr) & 0x3f)         // fault status code of an abort
#define EC_DATA_ABORT_SAME_EL 0x25

// Arm ARM (DDI 0487), ESR_EL1. Text inside the table: a table of pointers would need relocations.
static const struct {
    uint8_t ec;
    char name[31];
} classes[] = {
    {0x00, "unknown instruction"},
    {0x07, "FP or SIMD access trapped"},
    {0x0e, "illegal execution state"},
    {0x15, "svc"},
    {0x16, "hvc"},
    {0x17, "smc"},
    {0x18, "system register access trapped"},
    {0x20, "instruction abort, lower EL"},
    {0x21, "instruction abort"},
    {0x22, "pc alignment"},
    {0x24, "data abort, lower EL"},
    {EC_DATA_ABORT_SAME_EL, "data abort"},
    {0x26, "sp alignment"},
    {0x2c, "floating-point exception"},
    {0x2f, "SError"},
    {0x3c, "brk"},
};

static const struct {
    uint8_t first, last; // fault status codes
    char name[19];
} faults[] = {
    {0x00, 0x03, "address size fault"}, {0x04, 0x07, "translation fault"},
    {0x08, 0x0b, "access flag fault"},  {0x0c, 0x0f, "permission fault"},
    {0x10, 0x17, "external abort"},     {0x21, 0x21, "alignment fault"},
};

static const char *class_name(unsigned ec)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (classes[i].ec == ec) {
            return classes[i].name;
        }
    }
    return "unknown class";
}

static const char *fault_name(unsigned fsc)
{
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        if (fsc >= faults[i].first && fsc <= faults[i].last) {
            return faults[i].name;
        }
    }
    return "other fault";
}

static bool inside(uint64_t address, const uint8_t *start, const uint8_t *end)
{
    return address >= (uint64_t)start && address < (uint64_t)end;
}

struct span {
    const uint8_t *start, *end;
};

// Planned memory of this CPU, if it is not the boot CPU (start.h).
static const uint8_t *own_slot(void)
{
    return __core_stacks_start + (cpu_number() - 1) * CORE_SLOT_SIZE;
}

static struct span own_guard(void)
{
    if (cpu_number() == 0) {
        return (struct span){__stack_guard_start, __stack_guard_end};
    }
    return (struct span){own_slot(), own_slot() + CORE_GUARD_SIZE};
}

static struct span own_stack(void)
{
    if (cpu_number() == 0) {
        return (struct span){__stack_start, __stack_end};
    }
    return (struct span){own_slot() + CORE_GUARD_SIZE, own_slot() + CORE_SLOT_SIZE};
}

// A frame record is two words on one of this CPU's stacks; anything else might fault again.
static bool is_frame_record(uint64_t fp)
{
    const uint64_t last = fp + 15;
    const struct span stack = own_stack();
    return IS_ALIGNED(fp, 8) &&
           ((inside(fp, stack.start, stack.end) && inside(last, stack.start, stack.end)) ||
            (inside(fp, early_stack, early_stack + EARLY_STACK_SIZE) &&
             inside(last, early_stack, early_stack + EARLY_STACK_SIZE)));
}

// fp: a frame record { caller's fp, return address } (AAPCS64, 6.4.6).
static void print_backtrace(int number, uint64_t fp)
{
    while (number < MAX_BACKTRACE && is_frame_record(fp)) {
        const uint64_t *record = (const uint64_t *)fp;
        if (record[1] == 0) {
            break; // start.S
        }
        panic_print("  #%d 0x%lx\n", number++, record[1]);
        if (record[0] <= fp) {
            break; // callers are further up: a loop, or nonsense
        }
        fp = record[0];
    }
}

void panic_finish(void)
{
    panic_print("image base 0x%lx\nbacktrace:\n", (uint64_t)_start);
    print_backtrace(0, (uint64_t)__builtin_frame_address(0));
    panic_end();
    cpu_halt();
}

static void print_cause(const struct exception_frame *frame, uint64_t esr, uint64_t far)
{
    const unsigned kind = frame->vector % 4; // synchronous, IRQ, FIQ, SError
    if (kind != 0) {
        panic_print("exception: %s\n", kind == 1 ? "IRQ" : kind == 2 ? "FIQ" : "SError");
        return;
    }
    const unsigned ec = ESR_EC(esr);
    panic_print("exception: %s", class_name(ec));
    if (ec >= 0x20 && ec <= EC_DATA_ABORT_SAME_EL && ec != 0x22) {
        panic_print(", %s", fault_name(ESR_FSC(esr)));
        if (ec == EC_DATA_ABORT_SAME_EL) {
            panic_print(" on %s of 0x%lx", esr & 1 << 6 ? "write" : "read", far);
        }
    }
    const struct span guard = own_guard();
    const bool overflow = ec == EC_DATA_ABORT_SAME_EL && inside(far, guard.start, guard.end);
    panic_print("%s\n", overflow ? ": stack overflow (guard page)" : "");
}

void exception_report(const struct exception_frame *frame)
{
    const uint64_t esr = READ_SYSREG(esr_el1), elr = READ_SYSREG(elr_el1);
    const uint64_t far = READ_SYSREG(far_el1), spsr = READ_SYSREG(spsr_el1);
    panic_begin();
    print_cause(frame, esr, far);
    panic_print("ESR 0x%08lx  ELR 0x%016lx  FAR 0x%016lx  SPSR 0x%08lx\n", esr, elr, far, spsr);
    for (int i = 0; i < 31; i++) {
        panic_print("x%-2d 0x%016lx%s", i, frame->x[i], i % 4 == 3 ? "\n" : "  ");
    }
    panic_print("sp  0x%016lx\nimage base 0x%lx\nbacktrace:\n", frame->sp, (uint64_t)_start);
    panic_print("  #0 0x%lx\n", elr);
    print_backtrace(1, frame->x[29]);
    panic_end();
    cpu_halt();
}
