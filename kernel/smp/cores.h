// Brings the further cores up and makes them a team (smp/parallel.h).
#pragma once

#include "arch/secondary.h"

// Starts what secondary_prepare() has found, waits for each at most a second, and leaves out what
// does not come. Once, on the boot CPU, MMU on. Returns how many cores run, this one included.
int cores_start(int n_cpus, enum psci_conduit conduit);

// The core of the team that CPU `number` is.
int cores_rank(unsigned number);

// Why CPU `number` does not run, as text; false: it runs.
bool cores_missing(int number, char *text, size_t size);
