// How far mat-vecs look ahead.
#include "nn/prefetch.h"

uint32_t prefetch_ahead; // 0 until somebody has looked at the CPU
