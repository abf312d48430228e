// UTF-8, the well-formed kind only (Unicode 15, table 3-7).
#include "llm/utf8.h"

#include "lib/string.h"

static size_t replacement(uint8_t *shown)
{
    memcpy(shown, "\xef\xbf\xbd", 3); // U+FFFD
    return 3;
}

// Bytes of a character with this first byte, 0: no character begins so.
static uint32_t sequence_size(uint8_t lead)
{
    return lead < 0x80   ? 1
           : lead < 0xc2 ? 0
           : lead < 0xe0 ? 2
           : lead < 0xf0 ? 3
           : lead < 0xf5 ? 4
                         : 0;
}

// Whether a character of which there are bytes[0..n) may go on with this byte.
static bool continues(const uint8_t *bytes, size_t n, uint8_t byte)
{
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (n == 1) {
        switch (bytes[0]) {
        case 0xe0: // shorter forms exist
            low = 0xa0;
            break;
        case 0xed: // surrogates
            high = 0x9f;
            break;
        case 0xf0:
            low = 0x90;
            break;
        case 0xf4: // beyond U+10FFFF
            high = 0x8f;
            break;
        default:
            break;
        }
    }
    return byte >= low && byte <= high;
}

uint32_t utf8_size(const uint8_t *bytes, size_t n)
{
    const uint32_t size = sequence_size(bytes[0]);
    if (size > n) {
        return 0;
    }
    for (uint32_t i = 1; i < size; i++) {
        if (!continues(bytes, i, bytes[i])) {
            return 0;
        }
    }
    return size;
}

uint32_t utf8_code_point(const uint8_t *bytes, uint32_t size)
{
    uint32_t value = size == 1 ? bytes[0] : bytes[0] & (0x7fu >> size);
    for (uint32_t i = 1; i < size; i++) {
        value = value << 6 | (bytes[i] & 0x3f);
    }
    return value;
}

size_t utf8_encode(uint8_t *bytes, uint32_t code_point)
{
    if (code_point < 0x80) {
        bytes[0] = (uint8_t)code_point;
        return 1;
    }
    const size_t size = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        bytes[i] = (uint8_t)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    bytes[0] = (uint8_t)(0xf00u >> size | code_point);
    return size;
}

size_t utf8_end(struct utf8_stream *stream, uint8_t *shown)
{
    const bool unfinished = stream->n_held > 0;
    stream->n_held = 0;
    return unfinished ? replacement(shown) : 0;
}

size_t utf8_push(struct utf8_stream *stream, uint8_t byte, uint8_t *shown)
{
    size_t n = 0;
    if (stream->n_held > 0 && !continues(stream->held, stream->n_held, byte)) {
        n = utf8_end(stream, shown);
    }
    if (stream->n_held == 0 && sequence_size(byte) == 0) {
        return n + replacement(shown + n);
    }
    stream->held[stream->n_held++] = byte;
    if (stream->n_held == sequence_size(stream->held[0])) {
        memcpy(shown + n, stream->held, stream->n_held);
        n += stream->n_held;
        stream->n_held = 0;
    }
    return n;
}
