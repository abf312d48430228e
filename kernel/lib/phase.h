// Phase marks: NOP hints that let any outside instruction counter see where one phase ends and the
// next begins. Nothing on the host.
#pragma once

#define PHASE_ENTRY         96 // kernel entry
#define PHASE_READY         97 // ready for the first prompt
#define PHASE_PREFILL_BEGIN 98
#define PHASE_PREFILL_END   99
#define PHASE_DECODE_BEGIN  100 // forward pass of one decoded token
#define PHASE_DECODE_END    101
#define PHASE_WAIT_BEGIN    102 // this core waits for others, or for work: never counted as work
#define PHASE_WAIT_END      103
#define PHASE_HEAD_BEGIN    104 // the output matrix, on each core that takes part
#define PHASE_HEAD_END      105
#define PHASE_KERNEL_BEGIN  106 // one operation by itself, in the kernels bench
#define PHASE_KERNEL_END    107

// The isb on either side keeps the work of one phase from being counted in its neighbour.
#if defined(__ASSEMBLER__)
#define PHASE_MARK(n)                                                                              \
    isb;                                                                                           \
    hint n;                                                                                        \
    isb
#elif defined(__aarch64__) && !__STDC_HOSTED__
#define PHASE_MARK(n)  PHASE_MARK_(n)
#define PHASE_MARK_(n) __asm__ volatile("isb\n\thint #" #n "\n\tisb" ::: "memory")
#else
#define PHASE_MARK(n) ((void)0)
#endif
