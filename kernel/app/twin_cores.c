// The twin's cores: threads that follow, and waits that give the processor away.
//
// Nothing here synchronises but the words themselves, so that ThreadSanitizer judges the barriers
// of smp/parallel.c.
#define _DEFAULT_SOURCE

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "app/twin_cores.h"
#include "smp/parallel.h"
#include "smp/wait.h"

#define YIELDS   200 // about as long as a phase of a small model takes
#define SLEEP_NS 200000

static void *follow(void *core)
{
    parallel_follow((int)(intptr_t)core);
}

bool twin_cores_start(int n_cores)
{
    parallel_open(n_cores);
    for (int core = 1; core < n_cores; core++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, follow, (void *)(intptr_t)core) != 0) {
            return false;
        }
        pthread_detach(thread); // it ends with the program
    }
    return true;
}

uint32_t wait_while(const uint32_t *word, uint32_t value)
{
    uint32_t now;
    for (int n = 0; (now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == value; n++) {
        if (n < YIELDS) {
            sched_yield();
        } else {
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
        }
    }
    return now;
}

uint32_t wait_long_while(const uint32_t *word, uint32_t value)
{
    return wait_while(word, value);
}

void wait_wake(void)
{
    // They look by themselves.
}
