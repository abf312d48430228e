// One core does all the work.
#include "smp/parallel.h"

int parallel_n_cores(void)
{
    return 1;
}

void parallel_run(void (*work)(int core, int n_cores, void *arg), void *arg)
{
    work(0, 1, arg);
}

void parallel_barrier(void)
{
}
