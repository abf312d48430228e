// Text formatting: the subset of snprintf that the kernel prints with.
#pragma once

#include "lib/types.h"

// Conversions: %s %c %d %u %x %p %%, the lengths l, ll and z on d, u and x, a width, `0` and `-`.
// Writes at most size bytes, the closing NUL included, and cuts what does not fit. Returns the
// length of the text in buf, so that buf + length is always the next place to write (0 if size is
// 0).
size_t format(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
size_t vformat(char *buf, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
