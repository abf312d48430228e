// What an exception or a panic leaves to read: registers, backtrace, cause.
#pragma once

#include "arch/start.h"
#include "lib/types.h"

// Written by vectors.S.
struct exception_frame {
    uint64_t x[31];
    uint64_t sp;
    uint64_t vector; // 0..15, in the order of the vector table
    uint64_t unused;
};
static_assert(sizeof(struct exception_frame) == EXCEPTION_FRAME_SIZE, "as vectors.S lays it out");
static_assert(offsetof(struct exception_frame, sp) == 248, "as vectors.S lays it out");
static_assert(offsetof(struct exception_frame, vector) == 256, "as vectors.S lays it out");

// Ends a panic() report: image base, backtrace of the caller, then halts. For panic_hooks.finish.
noreturn void panic_finish(void);

// The whole report of an exception; then halts.
noreturn void exception_report(const struct exception_frame *frame);
