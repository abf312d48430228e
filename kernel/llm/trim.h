// White space around what is said, which some chat templates take away.
#pragma once

#include "lib/types.h"

// Bytes of white space that text[0..n), UTF-8, begins or ends with: what Python's str.strip takes,
// which is what `trim` of a template does. Bytes that are no UTF-8 are no space.
size_t trim_left(const uint8_t *text, size_t n);
size_t trim_right(const uint8_t *text, size_t n);
