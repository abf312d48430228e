// Work on all cores at once. Every core runs the same function and takes its own share of each
// phase; a barrier between phases. Results must not depend on the number of cores: shares are whole
// output rows or heads, never parts of a sum.
#pragma once

#include "lib/types.h"

#define PARALLEL_MAX_CORES 8

// Cores that take part, 1 or more.
int parallel_n_cores(void);

// Run work(core, n_cores, arg) on all cores, core 0 being the caller's; return when all are done.
void parallel_run(void (*work)(int core, int n_cores, void *arg), void *arg);

// Only within parallel_run: return when all cores are here, with all that they wrote.
void parallel_barrier(void);

// The same by a core that will read from `next` on: while it waits, the first lines of it come.
void parallel_barrier_before(const void *next);

// How the team is made up: core 0 opens it once, when cores 1 .. n_cores - 1 follow or are about
// to.
void parallel_open(int n_cores);
noreturn void parallel_follow(int core);

// Part `core` of n items: [begin, end), in whole steps but for the last.
struct share {
    int begin, end;
};

static inline struct share share_of(int n, int step, int core, int n_cores)
{
    // Unsigned: divisions by constants are shifts.
    const unsigned all = (unsigned)n, size = (unsigned)step, parts = (unsigned)n_cores;
    const unsigned before = (all + size - 1) / size * (unsigned)core;
    const unsigned begin = before / parts * size;
    const unsigned end = (before + (all + size - 1) / size) / parts * size;
    return (struct share){(int)(begin < all ? begin : all), (int)(end < all ? end : all)};
}
