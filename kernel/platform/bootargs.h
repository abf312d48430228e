// What stands in /chosen/bootargs.
#pragma once

#include "platform/platform.h"

// `initrdmem=START,SIZE` in bytes, as Linux reads it (Documentation/admin-guide): for a loader that
// puts the blob somewhere but cannot write linux,initrd-start. False: not given, or no such range.
bool bootargs_initrd(const char *bootargs, struct range *initrd);
