// One element of a softmax. The exponentials, most of the work, are shared by the cores; their sum
// has an order, and one core takes it.
#include "nn/probability.h"

#include "lib/math.h"
#include "nn/ops.h"
#include "smp/parallel.h"

#define STEP 16 // floats in a cache line

struct exponentials {
    float *x;
    int n;
    float max[PARALLEL_MAX_CORES]; // of each core's part
};

static void part(int core, int n_cores, void *arg)
{
    struct exponentials *job = arg;
    const struct share mine = share_of(job->n, STEP, core, n_cores);
    float *x = job->x + mine.begin;
    const int n = mine.end - mine.begin;
    job->max[core] = vec_max(n > 0 ? x : job->x, n > 0 ? n : 1); // no part: a value like any other
    parallel_barrier();
    float max = job->max[0];
    for (int i = 1; i < n_cores; i++) {
        max = max_f32(max, job->max[i]);
    }
    vec_exp(x, max, n);
}

float probability(float *x, int n, int i)
{
    if (parallel_n_cores() == 1) {
        softmax(x, n);
        return x[i];
    }
    struct exponentials job = {.x = x, .n = n};
    parallel_run(part, &job);
    return x[i] * (1.0f / vec_sum(x, n));
}
