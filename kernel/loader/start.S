// Entry of the loader: it copies itself out of the way of the kernel that will lie where the
// firmware has put the loader, and later starts that kernel as the firmware would have.
//
// Entered as start.S of arch is. It stays at the exception level, writes nothing below its own
// start (parked CPUs spin there on some boards) and runs at any address that is a multiple of 4 KiB.
#include "gen/link.h"

#define SCTLR_I (1 << 12) // instruction cache

.macro adr_l reg, symbol
    adrp    \reg, \symbol
    add     \reg, \reg, :lo12:\symbol
.endm

    .section .text.start, "ax"
    .global _start
_start:
    b       entry                   // code0
    .long   0                       // code1
    .quad   0x80000                 // text_offset, as the kernel's
    .quad   LOAD_SPACE_BYTES        // so much from here on is ours, the loader's copy being the end
    .quad   0xa                     // little endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

entry:
    mrs     x26, daif
    msr     daifset, #0xf
    mov     x20, x0                 // for the kernel
    adr_l   x21, _start             // where the kernel will lie
    ldr     x22, room               // of the loader: whole pages
    mov     x9, #LOAD_SPACE_BYTES
    add     x23, x21, x9
    sub     x23, x23, x22           // the copy

    // Written with the data cache off: no old line may be evicted over it, now or later.
    mov     x0, x23
    add     x1, x23, x22
    bl      cache_invalidate
    adr_l   x0, _start
    adr_l   x1, __loader_file_end
    mov     x2, x23
1:  ldp     x3, x4, [x0], #16
    stp     x3, x4, [x2], #16
    cmp     x0, x1
    b.lo    1b
    add     x1, x23, x22
2:  cmp     x2, x1                  // .bss and the stack
    b.hs    3f
    stp     xzr, xzr, [x2], #16
    b       2b
3:  mov     x0, x23
    add     x1, x23, x22
    bl      cache_invalidate
    ic      iallu
    dsb     sy                      // the copy is in memory before it is fetched from there
    isb
    adr_l   x9, high
    sub     x9, x9, x21
    add     x9, x9, x23
    br      x9

high:                               // every symbol is now the copy's
    mrs     x25, spsel
    msr     spsel, #1
    adr_l   x9, __loader_stack_end
    mov     sp, x9
    // Without the instruction cache a fast line would outrun us. Data stays uncached.
    mrs     x9, CurrentEL
    cmp     x9, #(2 << 2)
    b.eq    4f
    mrs     x24, sctlr_el1
    orr     x9, x24, #SCTLR_I
    msr     sctlr_el1, x9
    b       5f
4:  mrs     x24, sctlr_el2
    orr     x9, x24, #SCTLR_I
    msr     sctlr_el2, x9
5:  isb
    mov     x0, x21
    sub     x1, x23, x21            // up to our copy
    mov     x2, x20
    mov     x29, xzr
    bl      loader_main

    // The kernel gets the machine as we got it.
    mrs     x9, CurrentEL
    cmp     x9, #(2 << 2)
    b.eq    6f
    msr     sctlr_el1, x24
    b       7f
6:  msr     sctlr_el2, x24
7:  isb
    ic      iallu                   // what was here before: the loader itself
    dsb     sy
    isb
    msr     spsel, x25
    msr     daif, x26
    mov     x0, x20
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    br      x21

    .balign 8
room:
    .quad   __loader_room           // a number, not an address: the linker script's
