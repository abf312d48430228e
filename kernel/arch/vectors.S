// Exception vectors. Every exception is fatal (interrupts stay masked): save all registers on a stack
// of its own, for the planned stack may be what failed, and report.
#include "arch/start.h"

// No stack can be trusted: start.S left the end of this CPU's exception stack in one of the software
// thread registers, which are otherwise unused; the other two hold what is in the way.
.macro vector number
    .balign 128
    msr     tpidr_el1, x0
    mov     x0, sp
    msr     tpidr_el0, x0
    mrs     x0, tpidrro_el0
    sub     sp, x0, #EXCEPTION_FRAME_SIZE
    mov     x0, #\number
    b       save_and_report
.endm

    .section .text.vectors, "ax"
    .balign 2048                    // VBAR_EL1 ignores the low 11 bits
    .global vectors
vectors:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector  \n
    .endr

// struct exception_frame (exception.h): x0..x30, sp, vector number
save_and_report:
    str     x0, [sp, #256]          // vector number
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, tpidr_el1           // x0
    stp     x0, x1, [sp]
    mrs     x0, tpidr_el0           // sp
    stp     x30, x0, [sp, #240]
    mov     x0, sp
    mov     x29, xzr
    mov     x30, xzr
    bl      exception_report        // does not return
