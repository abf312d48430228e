// Symbols of the linker script (toolchain/kernel.ld.j2) that the code needs whatever the plan.
#pragma once

#include "arch/start.h"
#include "lib/types.h"

extern uint8_t _start[]; // where the image was loaded: its base address
extern uint8_t __text_end[], __rodata_start[], __rodata_end[];
extern uint8_t __data_start[], __bss_start[], __bss_end[], __kernel_end[];
extern uint8_t __page_tables_start[], __page_tables_end[];
extern uint8_t __stack_guard_start[], __stack_guard_end[], __stack_start[], __stack_end[];
extern uint8_t __core_stacks_start[]; // slots of the further CPUs (start.h)
extern uint8_t __image_end[];         // end of the last planned region

// Two small stacks inside the kernel (start.S): kernel_boot() runs on the first, because the
// planned stack may lie outside this machine's RAM; its exceptions use the second, because the
// planned stack may be what failed.
extern uint8_t early_stack[], exception_stack[];

// The run-time address of a linker symbol. The compiler must not know that it is a constant: GCC
// would keep an initialiser like {(paddr_t)_start, ...} in .data, with its link-time value.
static inline paddr_t image_address(const void *symbol)
{
    __asm__("" : "+r"(symbol));
    return (paddr_t)symbol;
}
