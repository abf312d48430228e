// Cores as threads of the host: as many as parallel_threads says.
#define _POSIX_C_SOURCE 200809L // pthread_barrier_t

#include <pthread.h>

#include "smp/parallel.h"

int parallel_threads = 1;

static pthread_barrier_t barrier;

struct job {
    void (*work)(int core, int n_cores, void *arg);
    void *arg;
    int core, n_cores;
};

static void *run(void *arg)
{
    const struct job *job = arg;
    job->work(job->core, job->n_cores, job->arg);
    return 0;
}

int parallel_n_cores(void)
{
    return parallel_threads;
}

void parallel_run(void (*work)(int core, int n_cores, void *arg), void *arg)
{
    pthread_t threads[PARALLEL_MAX_CORES];
    struct job jobs[PARALLEL_MAX_CORES];
    const int n = parallel_threads;
    pthread_barrier_init(&barrier, 0, (unsigned)n);
    for (int core = n - 1; core >= 0; core--) {
        jobs[core] = (struct job){work, arg, core, n};
        if (core == 0) {
            run(&jobs[0]);
        } else {
            pthread_create(&threads[core], 0, run, &jobs[core]);
        }
    }
    for (int core = 1; core < n; core++) {
        pthread_join(threads[core], 0);
    }
    pthread_barrier_destroy(&barrier);
}

void parallel_barrier(void)
{
    pthread_barrier_wait(&barrier);
}

void parallel_barrier_before(const void *next)
{
    (void)next; // nothing to be early for
    parallel_barrier();
}
