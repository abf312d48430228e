// Two channels on a simulated line that loses, damages and repeats bytes; arguments: seed, faults
// per 10000 bytes, window of the host, messages each way, "dead" for a host that falls silent.
// Time is simulated too: 87 us for each look at the line, the time of a byte at 115200 baud.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link/channel.h"

#define LINE_BYTES  (1 << 20)
#define SLOT_BYTES  FRAME_MAX_BYTES
#define KERNEL      0
#define HOST        1
#define MSG_NUMBER  0x77
#define POLLS_LIMIT 40000000

struct pipe {
    uint8_t *bytes; // from this side
    size_t read, written;
};

static struct pipe pipes[2];
static uint64_t now;
static unsigned faults;
static bool host_is_dead;
static struct channel sides[2];
static uint32_t random_state;

static uint32_t rand_u32(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void pipe_put(struct pipe *pipe, uint8_t c)
{
    if (pipe->written - pipe->read == LINE_BYTES) {
        fprintf(stderr, "the line overflows\n");
        exit(1);
    }
    pipe->bytes[pipe->written++ % LINE_BYTES] = c;
}

static void send_byte(int side, uint8_t c)
{
    now += 87;
    if (rand_u32() % 10000 >= faults) {
        pipe_put(&pipes[side], c);
        return;
    }
    switch (rand_u32() % 4) {
    case 0:
        break;
    case 1:
        pipe_put(&pipes[side], c ^ (uint8_t)(1u << rand_u32() % 8));
        break;
    case 2:
        pipe_put(&pipes[side], c);
        pipe_put(&pipes[side], c);
        break;
    default:
        for (uint32_t n = rand_u32() % 20; n > 0; n--) {
            pipe_put(&pipes[side], (uint8_t)rand_u32());
        }
    }
}

static int receive_byte(int side)
{
    now += 87;
    struct pipe *from = &pipes[!side];
    return from->read == from->written ? LINK_NO_BYTE : from->bytes[from->read++ % LINE_BYTES];
}

static void kernel_putc(uint8_t c)
{
    send_byte(KERNEL, c);
}

static void host_putc(uint8_t c)
{
    send_byte(HOST, c);
}

// Every now and then the kernel's look at the line lets the other side run.
static void run_host(void);
static int kernel_getc(void)
{
    if (!host_is_dead) {
        run_host();
    }
    return receive_byte(KERNEL);
}

static int host_getc(void)
{
    return receive_byte(HOST);
}

static uint64_t ticks(void)
{
    return now;
}

static void idle(void)
{
}

static uint32_t n_messages;
static uint32_t sent[2], received[2];

// Message i: its number and as many bytes as the number says, modulo something odd.
static size_t make_message(uint8_t *payload, uint32_t i)
{
    const size_t n = 4 + i * 37 % (LINK_MAX_PAYLOAD - 3);
    memcpy(payload, &i, 4);
    for (size_t k = 4; k < n; k++) {
        payload[k] = (uint8_t)(i * k);
    }
    return n;
}

static void take_message(int side)
{
    struct channel *channel = &sides[side];
    if (!channel->has_message) {
        return;
    }
    uint8_t wanted[LINK_MAX_PAYLOAD];
    const size_t n = make_message(wanted, received[side]);
    if (channel->type != MSG_NUMBER || channel->n_payload != n ||
        memcmp(channel->payload, wanted, n) != 0) {
        fprintf(stderr, "side %d: message %u is not the next one\n", side, received[side]);
        exit(1);
    }
    received[side]++;
    channel_release(channel);
}

static bool window_is_open(const struct channel *channel)
{
    return (uint8_t)(channel->next - channel->first) < channel->buffers.window;
}

static void run_host(void)
{
    struct channel *host = &sides[HOST];
    channel_poll(host);
    take_message(HOST);
    if (sent[HOST] < n_messages && window_is_open(host)) {
        uint8_t payload[LINK_MAX_PAYLOAD];
        const size_t n = make_message(payload, sent[HOST]++);
        channel_send(host, MSG_NUMBER, payload, n);
    }
}

static void init_side(int side, const struct link_io *io, unsigned window)
{
    pipes[side].bytes = malloc(LINE_BYTES);
    const struct channel_buffers buffers = {
        .rx = malloc(FRAME_MAX_SEGMENT),
        .rx_size = FRAME_MAX_SEGMENT,
        .tx = malloc(window * SLOT_BYTES),
        .slot_size = SLOT_BYTES,
        .window = window,
    };
    channel_init(&sides[side], io, buffers);
    channel_open(&sides[side]);
}

int main(int argc, char **argv)
{
    random_state = (uint32_t)atoi(argv[1]);
    faults = (unsigned)atoi(argv[2]);
    n_messages = (uint32_t)atoi(argv[4]);
    const bool dies = argc > 5;
    struct link_io kernel_io = {kernel_getc, kernel_putc, ticks, 1000000, idle, idle};
    struct link_io host_io = {host_getc, host_putc, ticks, 1000000, idle, idle};
    init_side(KERNEL, &kernel_io, CHANNEL_MAX_WINDOW);
    init_side(HOST, &host_io, (unsigned)atoi(argv[3]));

    struct channel *kernel = &sides[KERNEL];
    for (long polls = 0; received[KERNEL] < n_messages || received[HOST] < n_messages; polls++) {
        if (dies && received[HOST] == n_messages / 2 && !host_is_dead) {
            host_is_dead = true;
            now += 3600ull * 1000000; // an hour of computing is no silence
        }
        channel_poll(kernel);
        take_message(KERNEL);
        if (sent[KERNEL] < n_messages) {
            uint8_t payload[LINK_MAX_PAYLOAD];
            const size_t n = make_message(payload, sent[KERNEL]);
            const uint64_t before = now;
            if (!channel_send(kernel, MSG_NUMBER, payload, n)) {
                printf("gave up after %llu ms\n", (unsigned long long)(now - before) / 1000);
                return 0;
            }
            sent[KERNEL]++;
        }
        if (!kernel->open || polls > POLLS_LIMIT) {
            fprintf(stderr, "stuck: kernel has %u, host has %u of %u messages, open %d\n",
                    received[KERNEL], received[HOST], n_messages, kernel->open);
            return 1;
        }
    }
    printf("%u messages each way in %llu ms\n", n_messages, (unsigned long long)now / 1000);
    return 0;
}
