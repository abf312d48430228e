// The twin's cores: threads of the host.
#pragma once

#include "lib/types.h"

// Starts cores 1 .. n_cores - 1 and opens the team. False: the host gives no thread.
bool twin_cores_start(int n_cores);
