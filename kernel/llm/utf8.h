// UTF-8: characters of a text, and bytes from byte tokens to text that is valid at every moment.
#pragma once

#include "lib/types.h"

// Bytes of the character at the start of bytes[0..n), n > 0; 0: there is none.
uint32_t utf8_size(const uint8_t *bytes, size_t n);
// The code point of a character of so many bytes.
uint32_t utf8_code_point(const uint8_t *bytes, uint32_t size);
// Writes the character, at most 4 bytes; returns their number.
size_t utf8_encode(uint8_t *bytes, uint32_t code_point);

#define UTF8_PUSH_MAX 6 // U+FFFD for a broken sequence, then another for the byte that broke it

struct utf8_stream {
    uint8_t held[4]; // an incomplete character
    uint32_t n_held;
};

// What may be shown after one more byte: nothing, a character, or U+FFFD for bytes that are none.
size_t utf8_push(struct utf8_stream *stream, uint8_t byte, uint8_t *shown);
// What remains at the end of the text.
size_t utf8_end(struct utf8_stream *stream, uint8_t *shown);
