// Messages in order over a line that loses and damages bytes: go-back-N in both directions.
//
// Time passes only while the line is listened to: between two polls the machine may compute for
// seconds with 16 bytes of FIFO, and the other side cannot be blamed for that.
#pragma once

#include "link/frame.h"

#define CHANNEL_MAX_WINDOW 8
#define CHANNEL_NO_BYTE    (-1)

struct channel_buffers {
    uint8_t *rx; // FRAME_MAX_SEGMENT bytes
    size_t rx_size;
    uint8_t *tx;      // `window` slots
    size_t slot_size; // FRAME_MAX_BYTES at least
    unsigned window;  // frames under way at most
};

struct channel {
    const struct link_io *io;
    struct channel_buffers buffers;

    bool open;   // a host said HELLO and has been answered; it is still there as far as we know
    bool closed; // the line has ended

    // The message received last; the next is taken in after channel_release().
    bool has_message;
    uint8_t type;
    size_t n_payload;
    uint8_t payload[LINK_MAX_PAYLOAD];

    // Receiving.
    bool in_segment; // after a zero byte: what comes is a frame, or the remains of one
    size_t n_rx;
    uint8_t expected;

    // Sending: frames [first, next) are under way, seq % window is their slot.
    uint8_t first;
    uint8_t next;
    size_t n_slot[CHANNEL_MAX_WINDOW]; // header and payload

    // Ticks spent listening.
    uint64_t clock;
    uint64_t byte_at;
    uint64_t heard_at;    // a frame of the host, or the moment when we began to wait for one
    uint64_t progress_at; // an acknowledgement, or the last sending
    uint64_t polled_at;   // real time
};

void channel_init(struct channel *channel, const struct link_io *io,
                  struct channel_buffers buffers);
// Listens: takes in frames, up to the next message, and resends what was lost. Returns a byte that
// belongs to no frame, or CHANNEL_NO_BYTE when there is none at the moment.
int channel_poll(struct channel *channel);
// Forgets the message received last.
void channel_release(struct channel *channel);
// Answers a HELLO: from now on frames count.
void channel_open(struct channel *channel);
// Sends a message; waits while the window is full. False: there is no host any more.
bool channel_send(struct channel *channel, uint8_t type, const uint8_t *payload, size_t n);
// Whether no timeout is running: the machine may sleep until the next byte. While one is running it
// looks again and again, since a sleeping CPU's counter need not tell how long it slept (in an
// emulator that counts instructions it leaps).
bool channel_is_quiet(const struct channel *channel);
