// What a Raspberry Pi's firmware leaves to be done, and what it tells: pins of the console, clocks,
// temperature. All of it does nothing on other boards.
#pragma once

#include "platform/platform.h"

// The firmware's revision code of the board, 0: no answer.
uint32_t pi_revision(void);

// RAM at address 0 that the VideoCore leaves to us; false: no answer.
bool pi_memory(struct range *ram);

// Puts the console's UART on GPIO 14 and 15, at 115200 baud, unless the firmware has.
void pi_console_init(const struct devices *devices);

// The ARM cores at their highest clock.
void pi_raise_clock(void);

// What the firmware measures now; 0: no Pi, no answer, or one that no silicon gives.
uint32_t pi_arm_hz(void);
uint32_t pi_temperature(void); // thousandths of a degree Celsius

// What throttles the ARM cores, as the firmware's flags: bits 0 to 3 now, 16 to 19 since it was
// switched on; undervoltage, capped, throttled, soft limit of the temperature. False: no answer.
bool pi_throttled(uint32_t *flags);

// Clock of the ARM cores, temperature and what throttles it, as one line; "": no Pi, or it says
// nothing. For a person: 0 and nonsense are left out.
void pi_describe(char *text, size_t size);
