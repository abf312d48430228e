// A message to a host program, under construction.
#pragma once

#include "lib/format.h"
#include "link/message.h"

extern struct message reply;

// Sends and empties it. False: the host has gone.
bool reply_send(uint8_t type);
void reply_error(uint16_t code, const char *fmt, ...) PRINTF_LIKE(2, 3); // MSG_ERROR
