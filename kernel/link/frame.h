// Frames on the serial line: COBS between two zero bytes, with a CRC-32.
#pragma once

#include "gen/link.h"
#include "link/io.h"

// type, seq, ack, flags (0); then the payload and its CRC.
#define FRAME_HEADER_BYTES 4
#define FRAME_CRC_BYTES    4
#define FRAME_MAX_BYTES    (FRAME_HEADER_BYTES + LINK_MAX_PAYLOAD + FRAME_CRC_BYTES)
#define FRAME_MAX_SEGMENT  (FRAME_MAX_BYTES + FRAME_MAX_BYTES / 254 + 1) // COBS-encoded

struct frame {
    uint8_t type;
    uint8_t seq;
    uint8_t ack; // the next sequence number that the sender of the frame expects
    const uint8_t *payload;
    size_t n_payload;
};

// A segment as it comes in, byte by byte: no work is left for its end.
struct frame_decoder {
    uint8_t *body;
    size_t n; // decoded; what exceeds FRAME_MAX_BYTES is counted only
    uint32_t crc;
    size_t run;    // bytes to come that stand for themselves
    bool zero_due; // a zero follows them, unless the segment ends
};

// body: FRAME_MAX_BYTES that receive the frame.
void frame_begin(struct frame_decoder *decoder, uint8_t *body);
void frame_take(struct frame_decoder *decoder, uint8_t byte); // byte: not 0
// At the zero byte behind the segment. False: it holds no frame. The payload lies in body.
bool frame_end(const struct frame_decoder *decoder, struct frame *frame);

// The frame in the n bytes between two zero bytes, decoded in place. False: they hold none.
bool frame_decode(struct frame *frame, uint8_t *segment, size_t n);

// Sends a frame whose header and payload (n bytes together) lie in body, which has room for
// FRAME_CRC_BYTES more.
void frame_send(const struct link_io *io, uint8_t *body, size_t n);
