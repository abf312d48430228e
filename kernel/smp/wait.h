// Waiting for a word that another core changes.
#pragma once

#include "lib/types.h"

// Returns the word's new value, once it is no longer `value`, with an acquire: what the other core
// wrote before its release is seen. The first for a moment, the second for minutes if need be.
uint32_t wait_while(const uint32_t *word, uint32_t value);
uint32_t wait_long_while(const uint32_t *word, uint32_t value);

// After such a word has been changed: those that wait for it look again.
void wait_wake(void);
