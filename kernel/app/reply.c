// A message to a host program, under construction.
#include "app/reply.h"

#include "app/server.h"

struct message reply;

bool reply_send(uint8_t type)
{
    const bool sent = channel_send(&server.channel, type, reply.bytes, reply.n);
    reply.n = 0;
    return sent;
}

void reply_error(uint16_t code, const char *fmt, ...)
{
    char text[160];
    va_list args;
    va_start(args, fmt);
    const size_t n = vformat(text, sizeof text, fmt, args);
    va_end(args);
    put_u16(&reply, code);
    put_bytes(&reply, text, n);
    reply_send(MSG_ERROR);
}
