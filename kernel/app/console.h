// Line editor and text output for a person at a terminal.
#pragma once

#include "link/io.h"
#include "llm/utf8.h"

#define CONSOLE_LINE_MAX 2048
#define CTRL_C           0x03

struct console {
    const struct link_io *io;
    char line[CONSOLE_LINE_MAX + 1]; // ends with a NUL once it is complete
    size_t n;
    bool after_cr; // the LF of a CR LF is not another line
    int escape;    // inside a terminal's escape sequence: its bytes so far
    struct utf8_stream shown;
};

enum console_event { CONSOLE_NOTHING, CONSOLE_LINE, CONSOLE_INTERRUPT };

void console_init(struct console *console, const struct link_io *io);
// A typed byte. After CONSOLE_LINE the line stays until console_clear().
enum console_event console_type(struct console *console, uint8_t byte);
void console_clear(struct console *console);

void console_print(struct console *console, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Generated text: shown as valid UTF-8, without control characters.
void console_text(struct console *console, const uint8_t *text, size_t n);
void console_text_end(struct console *console);
