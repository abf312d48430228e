// Basic types of the whole kernel. Every other header includes this one first.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

typedef uint64_t paddr_t; // physical address; the map is an identity, so also the virtual one

#ifndef static_assert
#define static_assert _Static_assert
#endif

#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, n)    (((x) + ((n) - 1)) & ~((n) - 1)) // n: a power of two, as wide as x
#define ALIGN_DOWN(x, n)  ((x) & ~((n) - 1))
#define IS_ALIGNED(x, n)  (((x) & ((n) - 1)) == 0)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
