// The team of cores: jobs for all, and the barrier between the phases of a job.
//
// Each word that a core waits on has a cache line for itself: a waiting core reads it over and
// over, and must not take the line away from whoever writes its neighbour.
#include "smp/parallel.h"

#include "lib/prefetch.h"
#include "smp/wait.h"

#define CACHE_LINE 64

// Of what is read after a barrier: what DRAM delivers to one core in the microsecond or so that a
// barrier lasts, and no more than a Cortex-A53 takes without stopping for it.
#define PREFETCH_NEXT 512

static struct {
    // Written by core 0 only. job counts the jobs given out.
    _Alignas(CACHE_LINE) uint32_t job;
    int n_cores; // 0 until parallel_open(): one
    void (*work)(int core, int n_cores, void *arg);
    void *arg;
    _Alignas(CACHE_LINE) uint32_t n_arrived;
    // The sense of the barrier: its lowest bit turns round each time all have arrived. It counts,
    // rather than being one bit, so that no core needs to remember it between barriers.
    _Alignas(CACHE_LINE) uint32_t sense;
} team;

int parallel_n_cores(void)
{
    return team.n_cores > 0 ? team.n_cores : 1;
}

void parallel_open(int n_cores)
{
    team.n_cores = n_cores;
}

void parallel_barrier(void)
{
    parallel_barrier_before(NULL);
}

void parallel_barrier_before(const void *next)
{
    const int n = parallel_n_cores();
    if (n == 1) {
        return;
    }
    // Relaxed: it cannot change before this core has arrived, and the arrival below, a release, is
    // not seen before this read is done.
    const uint32_t sense = __atomic_load_n(&team.sense, __ATOMIC_RELAXED);
    // Release: what this core wrote is seen by whoever sees it arrived. Acquire: the last to arrive
    // has seen all others, and passes on in the release below what they wrote.
    const uint32_t before = __atomic_fetch_add(&team.n_arrived, 1, __ATOMIC_ACQ_REL);
    if (before + 1 < (uint32_t)n) {
        if (next != NULL) {
            prefetch_stream((uintptr_t)next, PREFETCH_NEXT);
        }
        wait_while(&team.sense, sense); // acquires
        return;
    }
    // Relaxed: nobody arrives at the next barrier before having seen the release below.
    __atomic_store_n(&team.n_arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team.sense, sense + 1, __ATOMIC_RELEASE);
    wait_wake();
}

void parallel_run(void (*work)(int core, int n_cores, void *arg), void *arg)
{
    const int n = parallel_n_cores();
    if (n > 1) {
        team.work = work;
        team.arg = arg;
        // Release: whoever sees the new job sees what it is, and all that core 0 wrote before.
        __atomic_store_n(&team.job, team.job + 1, __ATOMIC_RELEASE);
        wait_wake();
    }
    work(0, n, arg);
    parallel_barrier(); // all are done, and will not look at work and arg again
}

noreturn void parallel_follow(int core)
{
    for (uint32_t job = 0;;) {
        job = wait_long_while(&team.job, job); // acquires
        team.work(core, team.n_cores, team.arg);
        parallel_barrier();
    }
}
