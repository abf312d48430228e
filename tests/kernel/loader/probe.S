// A kernel that says in which state it was started, in hexadecimal: x0 to x3, exception level, SCTLR,
// DAIF, SPSel, its own address. Assembled with UART, the address of a PL011's data register.
.macro say reg
    mov     x13, \reg
    bl      say_hex
.endm

    .section .text.start, "ax"
    .global _start
_start:
    b       entry
    .long   0
    .quad   0x80000
    .quad   0x1000
    .quad   0xa
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

entry:
    mrs     x4, mpidr_el1
    and     x4, x4, #0xff
    cbnz    x4, park
    mrs     x4, daif
    mov     x9, x30
    ldr     x10, =UART
    say     x0
    say     x1
    say     x2
    say     x3
    mrs     x5, CurrentEL
    say     x5
    cmp     x5, #(2 << 2)
    b.eq    1f
    mrs     x5, sctlr_el1
    b       2f
1:  mrs     x5, sctlr_el2
2:  say     x5
    say     x4
    mrs     x5, spsel
    say     x5
    adr     x5, _start
    say     x5
    mov     w11, #'.'
    str     w11, [x10]
park:
    wfe
    b       park

say_hex:                            // x13; uses x11, x12
    mov     x12, #16
1:  ror     x13, x13, #60
    and     x11, x13, #15
    cmp     x11, #10
    add     x14, x11, #('a' - 10)
    add     x11, x11, #'0'
    csel    x11, x11, x14, lo
    str     w11, [x10]
    sub     x12, x12, #1
    cbnz    x12, 1b
    mov     w11, #' '
    str     w11, [x10]
    ret
