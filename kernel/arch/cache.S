// Data cache maintenance by address.

.macro by_line operation            // x0 = start, x1 = end; uses x2, x3
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4         // DminLine: log2 of the words in the smallest line
    mov     x3, #4
    lsl     x2, x3, x2
    sub     x3, x2, #1
    bic     x0, x0, x3
1:  cmp     x0, x1
    b.hs    2f
    dc      \operation, x0
    add     x0, x0, x2
    b       1b
2:  dsb     sy                      // done before anything that follows
    ret
.endm

    .section .text.cache_invalidate, "ax"
    .global cache_invalidate
cache_invalidate:
    by_line ivac

    .section .text.cache_clean, "ax"
    .global cache_clean
cache_clean:
    by_line cvac
