// What the console and the link share: one line, one session.
#pragma once

#include "app/console.h"
#include "app/serve.h"
#include "link/channel.h"
#include "llm/generate.h"

struct server {
    const struct link_io *io;
    const struct serve_info *info;
    struct channel channel;
    struct console console;
    bool interrupted; // the answer is to stop: a person's Ctrl-C, or a host's ABORT
    // Typed while the machine was answering; read afterwards.
    uint8_t ahead[CONSOLE_LINE_MAX + 1]; // a whole line and its Return
    size_t n_ahead, n_ahead_read;
    uint64_t answered_at; // io->ticks() after the last request of a host
};
extern struct server server;

// app/chat.c: what a person gets.
void chat_init(void);
void chat_prompt(void);                     // ready for a line
bool chat_line(const char *line, size_t n); // false: /poweroff

// app/requests.c: what a host program gets. Handles the message in the channel and releases it.
// False: the machine goes off, or starts again.
bool request_handle(enum serve_end *end);

// Between two steps of an answer, to a person or to a host program: listens, and says whether it
// was interrupted. A host program goes before a person.
bool serve_interrupted(bool person);
