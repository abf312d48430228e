// The console and the link on one serial line, until somebody switches the machine off.
#include "app/serve.h"

#include "app/server.h"
#include "gen/layout.h"
#include "lib/phase.h"
#include "llm/session.h"

// While a host talks to us, a byte outside its frames is damage; after this silence, a person.
#define HOST_SILENCE_S 10

static_assert(SESSION_TEXT_SIZE >= CONSOLE_LINE_MAX, "any typed line can be tokenised");
static_assert(LINK_RX_SIZE >= FRAME_MAX_SEGMENT, "any frame can be received");
static_assert(LINK_SLOT_SIZE >= FRAME_MAX_BYTES, "any frame can be sent");
static_assert(LINK_WINDOW <= CHANNEL_MAX_WINDOW && (LINK_WINDOW & (LINK_WINDOW - 1)) == 0,
              "a slot is found by the low bits of the sequence number");

struct server server;

static bool person_may_type(void)
{
    return !server.channel.open ||
           server.io->ticks() - server.answered_at >= HOST_SILENCE_S * server.io->ticks_per_s;
}

static void keep_typed(uint8_t byte)
{
    if (byte == CTRL_C) {
        server.interrupted = true;
        server.n_ahead = 0;
        server.n_ahead_read = 0;
    } else if (server.n_ahead < sizeof server.ahead) {
        server.ahead[server.n_ahead++] = byte;
    }
}

static int typed_ahead(void)
{
    if (server.n_ahead_read < server.n_ahead) {
        return server.ahead[server.n_ahead_read++];
    }
    server.n_ahead = 0;
    server.n_ahead_read = 0;
    return CHANNEL_NO_BYTE;
}

bool serve_interrupted(bool person)
{
    struct channel *channel = &server.channel;
    int byte;
    while ((byte = channel_poll(channel)) != CHANNEL_NO_BYTE) {
        if (person) { // else damage: what is left of an ACK without its first zero may hold a 0x03
            keep_typed((uint8_t)byte);
        }
    }
    if (channel->has_message && channel->type == MSG_ABORT) {
        channel_release(channel);
        server.interrupted = true;
    }
    const bool hello = channel->has_message && channel->type == MSG_HELLO;
    return server.interrupted || hello || (person && channel->has_message);
}

// False: the machine goes off.
static bool type_byte(uint8_t byte)
{
    bool go_on = true;
    switch (console_type(&server.console, byte)) {
    case CONSOLE_NOTHING:
        return true;
    case CONSOLE_LINE:
        go_on = chat_line(server.console.line, server.console.n);
        break;
    case CONSOLE_INTERRUPT:
        break;
    }
    if (go_on) {
        chat_prompt();
    }
    return go_on;
}

enum serve_end serve(const struct link_io *io, const struct serve_info *info)
{
    server.io = io;
    server.info = info;
    struct channel_buffers buffers; // field by field: an initialiser with pointers is relocated
    buffers.rx = __link_start + LINK_RX;
    buffers.rx_size = LINK_RX_SIZE;
    buffers.tx = __link_start + LINK_TX;
    buffers.slot_size = LINK_SLOT_SIZE;
    buffers.window = LINK_WINDOW;
    channel_init(&server.channel, io, buffers);
    console_init(&server.console, io);
    chat_init();
    session_reset();
    prompt_clear();
    chat_prompt();
    PHASE_MARK(PHASE_READY);

    bool was_open = false;
    for (;;) {
        struct channel *channel = &server.channel;
        server.interrupted = false;
        int byte = CHANNEL_NO_BYTE;
        if (!channel->has_message) {
            byte = typed_ahead();
            byte = byte == CHANNEL_NO_BYTE ? channel_poll(channel) : byte;
        }
        enum serve_end end = SERVE_POWEROFF;
        if (channel->has_message) {
            if (!request_handle(&end)) {
                return end;
            }
            server.answered_at = io->ticks();
        } else if (byte != CHANNEL_NO_BYTE) {
            if (person_may_type() && !type_byte((uint8_t)byte)) {
                return SERVE_POWEROFF;
            }
        } else if (channel->closed) {
            return SERVE_CLOSED;
        } else if (channel_is_quiet(channel)) {
            io->idle();
        } else {
            io->pause();
        }
        if (was_open && !channel->open && !channel->has_message) {
            console_print(&server.console, "\n");
            chat_prompt(); // the host is gone
        }
        was_open = channel->open;
    }
}
