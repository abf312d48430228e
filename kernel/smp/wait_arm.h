// What smp/wait.h needs of a bare machine, and how its cores are stopped.
#pragma once

#include "lib/types.h"

// A deeper sleep than WFE, where somebody can wake: an emulated CPU does not sleep in a WFE at all.
// sleep() returns after a wake(), also after one that came just before it.
struct wait_hooks {
    void (*sleep)(void);
    void (*wake)(void);
};

// Sets both. All other cores may be waiting already.
void wait_sleep_by(struct wait_hooks hooks);

// Stops all other cores for good, each where it next waits; those asleep sleep on. Of several cores
// that call it one returns, the same each time. MMU on: it needs exclusive accesses.
void wait_stop_others(void);

// Does not return once another core has called wait_stop_others().
void wait_if_stopped(void);
