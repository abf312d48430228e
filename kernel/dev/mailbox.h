// The mailbox to a Raspberry Pi's VideoCore firmware: its property channel.
#pragma once

#include "lib/types.h"

// Ids of clocks.
#define MAILBOX_CLOCK_EMMC  1u
#define MAILBOX_CLOCK_UART  2u
#define MAILBOX_CLOCK_ARM   3u
#define MAILBOX_CLOCK_CORE  4u
#define MAILBOX_CLOCK_EMMC2 12u

// Tags. In: what the firmware is told; out: what it answers.
#define MAILBOX_BOARD_REVISION 0x00010002u // out: revision
#define MAILBOX_ARM_MEMORY     0x00010005u // out: base, size
#define MAILBOX_CLOCK_RATE     0x00030002u // in: id; out: id, Hz
#define MAILBOX_MAX_CLOCK_RATE 0x00030004u // in: id; out: id, Hz
#define MAILBOX_TEMPERATURE    0x00030006u // in: 0; out: 0, thousandths of a degree Celsius
#define MAILBOX_THROTTLED      0x00030046u // out: flags
#define MAILBOX_MEASURED_RATE  0x00030047u // in: id; out: id, Hz
#define MAILBOX_SET_CLOCK_RATE 0x00038002u // in: id, Hz, 0; out: id, Hz
#define MAILBOX_SET_GPIO       0x00038041u // in: pin of the expander + 128, state

// bus_offset: what the VideoCore adds to our addresses. base 0: no mailbox.
void mailbox_init(paddr_t base, uint64_t bus_offset);

// Sends n_in values with one tag and receives n_out, in place. False: no mailbox, no answer, or one
// that is shorter: an unknown tag is answered with none.
bool mailbox_call(uint32_t tag, uint32_t *values, unsigned n_in, unsigned n_out);

// For tags that take an id and answer with the id and a number; 0: no answer.
uint32_t mailbox_get(uint32_t tag, uint32_t id);
