// Messages in order over a line that loses and damages bytes: go-back-N in both directions.
#include "link/channel.h"

#include "lib/string.h"

#define POLL_MAX_MS        50   // counts as listening, however long ago the last poll was
#define BYTES_PER_POLL_MAX 4096 // a babbling line must not stop the machine

static uint64_t ms(const struct channel *channel, uint64_t n)
{
    return channel->io->ticks_per_s * n / 1000;
}

static unsigned under_way(const struct channel *channel)
{
    return (uint8_t)(channel->next - channel->first);
}

static void forget_all(struct channel *channel)
{
    channel->open = false;
    channel->first = 0;
    channel->next = 0;
    channel->expected = 0;
}

void channel_init(struct channel *channel, const struct link_io *io, struct channel_buffers buffers)
{
    memset(channel, 0, sizeof *channel);
    channel->io = io;
    channel->buffers = buffers;
    channel->polled_at = io->ticks();
}

void channel_release(struct channel *channel)
{
    channel->has_message = false;
}

void channel_open(struct channel *channel)
{
    channel->open = true;
}

bool channel_is_quiet(const struct channel *channel)
{
    return under_way(channel) == 0 && !channel->in_segment && !channel->has_message;
}

static uint8_t *slot(struct channel *channel, uint8_t seq)
{
    return channel->buffers.tx + seq % channel->buffers.window * channel->buffers.slot_size;
}

static void transmit(struct channel *channel, uint8_t seq)
{
    uint8_t *body = slot(channel, seq);
    body[2] = channel->expected;
    frame_send(channel->io, body, channel->n_slot[seq % channel->buffers.window]);
    channel->progress_at = channel->clock;
}

static void send_ack(struct channel *channel)
{
    uint8_t body[FRAME_HEADER_BYTES + FRAME_CRC_BYTES] = {MSG_ACK, 0, channel->expected, 0};
    frame_send(channel->io, body, FRAME_HEADER_BYTES);
}

static void keep_message(struct channel *channel, const struct frame *frame)
{
    channel->has_message = true;
    channel->type = frame->type;
    channel->n_payload = frame->n_payload;
    memcpy(channel->payload, frame->payload, frame->n_payload);
}

static void take_frame(struct channel *channel, const struct frame *frame)
{
    if (frame->type == MSG_HELLO) {
        forget_all(channel);
        keep_message(channel, frame);
        return;
    }
    if (!channel->open) {
        return;
    }
    channel->heard_at = channel->clock;
    const unsigned acked = (uint8_t)(frame->ack - channel->first);
    if (acked > 0 && acked <= under_way(channel)) {
        channel->first = frame->ack;
        channel->progress_at = channel->clock;
    }
    if (frame->type == MSG_ACK) {
        return;
    }
    if (frame->seq == channel->expected && !channel->has_message) {
        keep_message(channel, frame);
        channel->expected++;
    }
    send_ack(channel);
}

static void take_byte(struct channel *channel, uint8_t byte)
{
    if (byte != 0) {
        if (channel->n_rx < channel->buffers.rx_size) {
            channel->buffers.rx[channel->n_rx] = byte;
        }
        channel->n_rx++;
        return;
    }
    struct frame frame;
    if (channel->n_rx <= channel->buffers.rx_size &&
        frame_decode(&frame, channel->buffers.rx, channel->n_rx)) {
        take_frame(channel, &frame);
    }
    channel->n_rx = 0; // this zero may also begin the next frame
}

static void advance_clock(struct channel *channel)
{
    const uint64_t now = channel->io->ticks();
    const uint64_t elapsed = now - channel->polled_at;
    const uint64_t max = ms(channel, POLL_MAX_MS);
    channel->clock += elapsed < max ? elapsed : max;
    channel->polled_at = now;
}

static void check_timeouts(struct channel *channel)
{
    if (channel->in_segment &&
        channel->clock - channel->byte_at >= ms(channel, LINK_SEGMENT_SILENCE_MS)) {
        channel->in_segment = false;
    }
    if (under_way(channel) == 0) {
        return;
    }
    if (channel->clock - channel->heard_at >= ms(channel, LINK_GIVE_UP_MS)) {
        forget_all(channel);
        return;
    }
    if (channel->clock - channel->progress_at >= ms(channel, LINK_RESEND_MS)) {
        for (uint8_t seq = channel->first; seq != channel->next; seq++) {
            transmit(channel, seq);
        }
    }
}

int channel_poll(struct channel *channel)
{
    advance_clock(channel);
    const bool had_message = channel->has_message;
    for (int i = 0; i < BYTES_PER_POLL_MAX && channel->has_message == had_message; i++) {
        const int byte = channel->io->getc();
        if (byte == LINK_CLOSED) {
            channel->closed = true;
            channel->open = false;
        }
        if (byte < 0) {
            break;
        }
        channel->byte_at = channel->clock;
        if (channel->in_segment) {
            take_byte(channel, (uint8_t)byte);
        } else if (byte == 0) {
            channel->in_segment = true;
            channel->n_rx = 0;
        } else {
            return byte;
        }
    }
    check_timeouts(channel);
    return CHANNEL_NO_BYTE;
}

bool channel_send(struct channel *channel, uint8_t type, const uint8_t *payload, size_t n)
{
    while (channel->open && under_way(channel) >= channel->buffers.window) {
        channel_poll(channel); // a byte outside frames is damage: a host is there
        channel->io->pause();
    }
    if (!channel->open || n > LINK_MAX_PAYLOAD) {
        return false;
    }
    if (under_way(channel) == 0) {
        channel->heard_at = channel->clock;
    }
    const uint8_t seq = channel->next++;
    uint8_t *body = slot(channel, seq);
    body[0] = type;
    body[1] = seq;
    body[3] = 0;
    memcpy(body + FRAME_HEADER_BYTES, payload, n);
    channel->n_slot[seq % channel->buffers.window] = FRAME_HEADER_BYTES + n;
    transmit(channel, seq);
    return true;
}
