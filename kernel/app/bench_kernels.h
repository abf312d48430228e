// Operations by themselves, each between PHASE_KERNEL_BEGIN and PHASE_KERNEL_END.
#pragma once

// One line per operation, in the order of the marks: `BENCH type operation n_blocks`; and
// `BENCH FAIL ...` where a form does not give the portable form's bits.
void bench_kernels(void (*print)(const char *line));
