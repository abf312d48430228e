// Frames on the serial line: COBS between two zero bytes, with a CRC-32.
// COBS: Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999.
#include "link/frame.h"

#include "lib/crc32.h"

#define COBS_FULL_RUN 254         // a run of this many bytes is not followed by an implied zero
#define CRC_OF_WHOLE  0x2144df1cu // CRC-32 of anything that its own CRC-32 follows

void frame_begin(struct frame_decoder *decoder, uint8_t *body)
{
    decoder->body = body;
    decoder->n = 0;
    decoder->crc = 0;
    decoder->run = 0;
    decoder->zero_due = false;
}

static void put(struct frame_decoder *decoder, uint8_t byte)
{
    if (decoder->n < FRAME_MAX_BYTES) {
        decoder->body[decoder->n] = byte;
        decoder->crc = crc32(decoder->crc, &byte, 1);
    }
    decoder->n++;
}

void frame_take(struct frame_decoder *decoder, uint8_t byte)
{
    if (decoder->run > 0) {
        decoder->run--;
        put(decoder, byte);
        return;
    }
    if (decoder->zero_due) { // only now is it known that the segment goes on
        put(decoder, 0);
    }
    decoder->run = (size_t)byte - 1;
    decoder->zero_due = decoder->run != COBS_FULL_RUN;
}

bool frame_end(const struct frame_decoder *decoder, struct frame *frame)
{
    const uint8_t *body = decoder->body;
    if (decoder->run > 0 || decoder->n < FRAME_HEADER_BYTES + FRAME_CRC_BYTES ||
        decoder->n > FRAME_MAX_BYTES || decoder->crc != CRC_OF_WHOLE || body[3] != 0) {
        return false;
    }
    frame->type = body[0];
    frame->seq = body[1];
    frame->ack = body[2];
    frame->payload = body + FRAME_HEADER_BYTES;
    frame->n_payload = decoder->n - FRAME_HEADER_BYTES - FRAME_CRC_BYTES;
    return true;
}

bool frame_decode(struct frame *frame, uint8_t *segment, size_t n)
{
    struct frame_decoder decoder;
    frame_begin(&decoder, segment); // in place: what is written has been read
    for (size_t i = 0; i < n; i++) {
        if (segment[i] == 0) {
            return false;
        }
        frame_take(&decoder, segment[i]);
    }
    return frame_end(&decoder, frame);
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
