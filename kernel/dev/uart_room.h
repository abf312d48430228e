// The wait for a place in a UART's FIFO, the same for every driver.
#pragma once

#include "arch/timer.h"
#include "dev/uart.h"

// False: it stayed full. A UART that stands still costs its patience once; what comes after that is
// dropped at once, until it moves. is_stuck: the driver's, false at first.
static inline bool uart_room(bool (*is_full)(void), bool *is_stuck)
{
    uint64_t deadline = 0;
    while (is_full()) {
        deadline = deadline == 0 && !*is_stuck ? timer_deadline_us(UART_PATIENCE_US) : deadline;
        if (timer_ticks() >= deadline) {
            *is_stuck = true;
            return false;
        }
    }
    *is_stuck = false;
    return true;
}
