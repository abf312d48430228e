// Payloads: packed little-endian fields, written and read in order.
#include "link/message.h"

#include "lib/string.h"

void put_bytes(struct message *message, const void *bytes, size_t n)
{
    const size_t room = sizeof message->bytes - message->n;
    n = n < room ? n : room;
    memcpy(message->bytes + message->n, bytes, n);
    message->n += n;
}

static void put_number(struct message *message, uint64_t value, size_t n)
{
    uint8_t bytes[sizeof value];
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    put_bytes(message, bytes, n);
}

void put_u8(struct message *message, uint8_t value)
{
    put_number(message, value, 1);
}

void put_u16(struct message *message, uint16_t value)
{
    put_number(message, value, 2);
}

void put_u32(struct message *message, uint32_t value)
{
    put_number(message, value, 4);
}

void put_u64(struct message *message, uint64_t value)
{
    put_number(message, value, 8);
}

void put_f32(struct message *message, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u32(message, bits);
}

static uint64_t get_number(struct reader *reader, size_t n)
{
    if (reader->n < n) {
        reader->ok = false;
        reader->n = 0;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)reader->bytes[i] << 8 * i;
    }
    reader->bytes += n;
    reader->n -= n;
    return value;
}

uint8_t get_u8(struct reader *reader)
{
    return (uint8_t)get_number(reader, 1);
}

uint16_t get_u16(struct reader *reader)
{
    return (uint16_t)get_number(reader, 2);
}

uint32_t get_u32(struct reader *reader)
{
    return (uint32_t)get_number(reader, 4);
}

uint64_t get_u64(struct reader *reader)
{
    return get_number(reader, 8);
}

float get_f32(struct reader *reader)
{
    const uint32_t bits = get_u32(reader);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
