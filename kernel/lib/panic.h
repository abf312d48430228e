// panic(): this machine cannot go on. ASSERT(): our own bug.
#pragma once

#include "lib/types.h"

// What a panic needs from its surroundings. All pointers are set at run time (the image has no
// relocations); until they are, a panic is silent, or says less.
struct panic_hooks {
    void (*putc)(uint8_t byte);
    // Stops all other CPUs; does not return on one that is stopped itself. NULL: there is no other.
    void (*stop_others)(void);
    unsigned (*cpu)(void);                    // number of the CPU that panics
    void (*progress)(int *layer, int *token); // what was being computed
    void (*finish)(void); // registers and backtrace of the caller; never returns
};
extern struct panic_hooks panic_hooks;

// Prints `PANIC cpu=N file:line: message` and whatever finish() adds.
noreturn void panic_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(x)                                                                                  \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            panic("assertion failed: %s", #x);                                                     \
        }                                                                                          \
    } while (0)

// The pieces of a report; a report is printed once, whoever begins it first.
void panic_begin(void); // opens the report: the host sees where it starts
void panic_print(const char *fmt, ...) PRINTF_LIKE(1, 2);
void panic_end(void); // `while: ...` and the closing line
