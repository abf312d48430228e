// Where attention spends its time: eight query rows over keys and values in half precision, heads
// of a multiple of eight elements. The same sums as in attention_chunk_neon.h, in the same order.
// These loops want all 32 vector registers, loads of four included; compilers copy and spill some.
//
// v0 to v15: sums. v16 to v23: four factors of each row. v24 to v27: eight halves each, of which
// v28 and v29, or v30 and v31, are made while the other two are multiplied.

.macro save_vectors                 // d8 to d15 are the caller's
    stp     d8, d9, [sp, #-64]!
    stp     d10, d11, [sp, #16]
    stp     d12, d13, [sp, #32]
    stp     d14, d15, [sp, #48]
.endm

.macro restore_vectors
    ldp     d10, d11, [sp, #16]
    ldp     d12, d13, [sp, #32]
    ldp     d14, d15, [sp, #48]
    ldp     d8, d9, [sp], #64
.endm

.macro load_factors from
    ld1     {v16.4s, v17.4s, v18.4s, v19.4s}, [\from], #64
    ld1     {v20.4s, v21.4s, v22.4s, v23.4s}, [\from], #64
.endm

.macro sums op, at                  // ld1 or st1
    \op     {v0.4s, v1.4s, v2.4s, v3.4s}, [\at], #64
    \op     {v4.4s, v5.4s, v6.4s, v7.4s}, [\at], #64
    \op     {v8.4s, v9.4s, v10.4s, v11.4s}, [\at], #64
    \op     {v12.4s, v13.4s, v14.4s, v15.4s}, [\at], #64
.endm

.macro widen low, high, halves
    fcvtl   v\low\().4s, v\halves\().4h
    fcvtl2  v\high\().4s, v\halves\().8h
.endm

// Scores: the sums of the rows for four keys, then those for the next four.
.macro add_scores op, low, high, lane
    \op     v0.4s, v\low\().4s, v16.s[\lane]
    \op     v8.4s, v\high\().4s, v16.s[\lane]
    \op     v1.4s, v\low\().4s, v17.s[\lane]
    \op     v9.4s, v\high\().4s, v17.s[\lane]
    \op     v2.4s, v\low\().4s, v18.s[\lane]
    \op     v10.4s, v\high\().4s, v18.s[\lane]
    \op     v3.4s, v\low\().4s, v19.s[\lane]
    \op     v11.4s, v\high\().4s, v19.s[\lane]
    \op     v4.4s, v\low\().4s, v20.s[\lane]
    \op     v12.4s, v\high\().4s, v20.s[\lane]
    \op     v5.4s, v\low\().4s, v21.s[\lane]
    \op     v13.4s, v\high\().4s, v21.s[\lane]
    \op     v6.4s, v\low\().4s, v22.s[\lane]
    \op     v14.4s, v\high\().4s, v22.s[\lane]
    \op     v7.4s, v\low\().4s, v23.s[\lane]
    \op     v15.4s, v\high\().4s, v23.s[\lane]
.endm

// Values: eight sums of one row after the other.
.macro add_values low, high, lane
    fmla    v0.4s, v\low\().4s, v16.s[\lane]
    fmla    v1.4s, v\high\().4s, v16.s[\lane]
    fmla    v2.4s, v\low\().4s, v17.s[\lane]
    fmla    v3.4s, v\high\().4s, v17.s[\lane]
    fmla    v4.4s, v\low\().4s, v18.s[\lane]
    fmla    v5.4s, v\high\().4s, v18.s[\lane]
    fmla    v6.4s, v\low\().4s, v19.s[\lane]
    fmla    v7.4s, v\high\().4s, v19.s[\lane]
    fmla    v8.4s, v\low\().4s, v20.s[\lane]
    fmla    v9.4s, v\high\().4s, v20.s[\lane]
    fmla    v10.4s, v\low\().4s, v21.s[\lane]
    fmla    v11.4s, v\high\().4s, v21.s[\lane]
    fmla    v12.4s, v\low\().4s, v22.s[\lane]
    fmla    v13.4s, v\high\().4s, v22.s[\lane]
    fmla    v14.4s, v\low\().4s, v23.s[\lane]
    fmla    v15.4s, v\high\().4s, v23.s[\lane]
.endm

.macro load_keys                    // four elements of eight keys
    ld1     {v24.8h, v25.8h, v26.8h, v27.8h}, [x2], #64
.endm

// What is loaded; the next keys as soon as there is room for them, where there are such.
.macro four_elements first, next
    load_factors x5
    widen   28, 29, 24
    widen   30, 31, 25
    add_scores \first, 28, 29, 0
    widen   28, 29, 26
    add_scores fmla, 30, 31, 1
    widen   30, 31, 27
    \next
    add_scores fmla, 28, 29, 2
    add_scores fmla, 30, 31, 3
.endm

// void attention_scores_f16_neon(float *p, const float *q, const void *tiles, unsigned n_tiles,
//                                unsigned head_size)
// A sum begins with its first product, not with +0 + it: only the sign of a zero could differ, and
// e^0 is 1 for both.
    .section .text.attention_scores_f16_neon, "ax"
    .global attention_scores_f16_neon
    .type   attention_scores_f16_neon, %function
attention_scores_f16_neon:
    save_vectors
    lsr     w4, w4, #3
1:  mov     x5, x1
    subs    w6, w4, #1
    load_keys
    four_elements fmul, load_keys
    four_elements fmla
    b.eq    3f
2:  load_keys
    subs    w6, w6, #1
    four_elements fmla, load_keys
    four_elements fmla
    b.ne    2b
3:  sums    st1, x0
    subs    w3, w3, #1
    b.ne    1b
    restore_vectors
    ret
    .size   attention_scores_f16_neon, . - attention_scores_f16_neon

.macro four_values
    load_factors x7
    ld1     {v24.8h}, [x8], x3
    ld1     {v25.8h}, [x8], x3
    ld1     {v26.8h}, [x8], x3
    ld1     {v27.8h}, [x8], x3
    widen   28, 29, 24
    widen   30, 31, 25
    add_values 28, 29, 0
    widen   28, 29, 26
    add_values 30, 31, 1
    widen   30, 31, 27
    add_values 28, 29, 2
    add_values 30, 31, 3
.endm

// void attention_values_f16_neon(float *o, const float *p, const void *v, size_t row_bytes,
//                                unsigned n_quads, unsigned head_size)
    .section .text.attention_values_f16_neon, "ax"
    .global attention_values_f16_neon
    .type   attention_values_f16_neon, %function
attention_values_f16_neon:
    save_vectors
1:  mov     x6, x0
    mov     x7, x1
    mov     x8, x2
    sums    ld1, x6
    tbz     w4, #0, 2f
    four_values
2:  lsr     w9, w4, #1
    cbz     w9, 4f
3:  subs    w9, w9, #1
    four_values
    four_values
    b.ne    3b
4:  sums    st1, x0
    add     x2, x2, #16
    subs    w5, w5, #8
    b.ne    1b
    restore_vectors
    ret
    .size   attention_values_f16_neon, . - attention_values_f16_neon
