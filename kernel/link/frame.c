// Frames on the serial line: COBS between two zero bytes, with a CRC-32.
// COBS: Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999.
#include "link/frame.h"

#include "lib/crc32.h"
#include "lib/le.h"

#define COBS_FULL_RUN 254 // a run of this many bytes is not followed by an implied zero

// Removes the stuffing in place. Returns the number of bytes, 0 for what COBS does not produce.
static size_t cobs_decode(uint8_t *data, size_t n)
{
    size_t in = 0;
    size_t out = 0;
    while (in < n) {
        const size_t run = (size_t)data[in] - 1;
        if (data[in] == 0 || run > n - in - 1) {
            return 0;
        }
        in++;
        for (size_t i = 0; i < run; i++) {
            data[out++] = data[in++];
        }
        if (run != COBS_FULL_RUN && in < n) {
            data[out++] = 0;
        }
    }
    return out;
}

bool frame_decode(struct frame *frame, uint8_t *segment, size_t n)
{
    const size_t size = cobs_decode(segment, n);
    if (size < FRAME_HEADER_BYTES + FRAME_CRC_BYTES || size > FRAME_MAX_BYTES) {
        return false;
    }
    const size_t n_body = size - FRAME_CRC_BYTES;
    if (load_le32(segment + n_body) != crc32(0, segment, n_body) || segment[3] != 0) {
        return false;
    }
    *frame = (struct frame){
        .type = segment[0],
        .seq = segment[1],
        .ack = segment[2],
        .payload = segment + FRAME_HEADER_BYTES,
        .n_payload = n_body - FRAME_HEADER_BYTES,
    };
    return true;
}

static void cobs_send(const struct link_io *io, const uint8_t *data, size_t n)
{
    size_t i = 0;
    for (;;) {
        size_t run = 0;
        while (run < COBS_FULL_RUN && i + run < n && data[i + run] != 0) {
            run++;
        }
        io->putc((uint8_t)(run + 1));
        for (size_t k = 0; k < run; k++) {
            io->putc(data[i + k]);
        }
        i += run;
        if (i == n) {
            return;
        }
        if (run < COBS_FULL_RUN) {
            i++; // the zero
        }
    }
}

void frame_send(const struct link_io *io, uint8_t *body, size_t n)
{
    const uint32_t crc = crc32(0, body, n);
    for (int i = 0; i < FRAME_CRC_BYTES; i++) {
        body[n++] = (uint8_t)(crc >> 8 * i);
    }
    io->putc(0);
    cobs_send(io, body, n);
    io->putc(0);
}
