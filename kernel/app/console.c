// Line editor and text output for a person at a terminal.
#include "app/console.h"

#include "lib/format.h"
#include "lib/string.h"

#define CTRL_U 0x15
#define BEL    0x07
#define BS     0x08
#define ESC    0x1b
#define DEL    0x7f

static void put(struct console *console, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            console->io->putc('\r');
        }
        console->io->putc((uint8_t)*text);
    }
}

void console_init(struct console *console, const struct link_io *io)
{
    memset(console, 0, sizeof *console);
    console->io = io;
}

void console_clear(struct console *console)
{
    console->n = 0;
}

void console_print(struct console *console, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vformat(text, sizeof text, fmt, args);
    va_end(args);
    put(console, text);
}

// Removes the last character, which may be several bytes.
static void erase_character(struct console *console)
{
    if (console->n == 0) {
        return;
    }
    do {
        console->n--;
    } while (console->n > 0 && ((uint8_t)console->line[console->n] & 0xc0) == 0x80);
    put(console, "\b \b");
}

// Cursor keys and the like: ESC, '[' or 'O', parameters, one final byte.
static bool swallow_escape(struct console *console, uint8_t byte)
{
    if (console->escape == 0) {
        console->escape = byte == ESC;
        return byte == ESC;
    }
    if (console->escape == 1) {
        console->escape = byte == '[' || byte == 'O' ? 2 : 0;
        return byte >= ' ';
    }
    if (byte < ' ') {
        console->escape = 0;
        return false;
    }
    if (byte >= '@') {
        console->escape = 0;
    }
    return true;
}

enum console_event console_type(struct console *console, uint8_t byte)
{
    const bool after_cr = console->after_cr;
    console->after_cr = byte == '\r';
    if (swallow_escape(console, byte)) {
        return CONSOLE_NOTHING;
    }
    switch (byte) {
    case '\n':
        if (after_cr) {
            return CONSOLE_NOTHING;
        }
        // fall through
    case '\r':
        put(console, "\n");
        console->line[console->n] = '\0';
        return CONSOLE_LINE;
    case CTRL_C:
        put(console, "^C\n");
        console->n = 0;
        return CONSOLE_INTERRUPT;
    case CTRL_U:
        while (console->n > 0) {
            erase_character(console);
        }
        return CONSOLE_NOTHING;
    case BS:
    case DEL:
        erase_character(console);
        return CONSOLE_NOTHING;
    case '\t':
        byte = ' ';
        break;
    default:
        break;
    }
    if (byte < ' ') {
        return CONSOLE_NOTHING;
    }
    if (console->n == CONSOLE_LINE_MAX) {
        console->io->putc(BEL);
        return CONSOLE_NOTHING;
    }
    console->line[console->n++] = (char)byte;
    console->io->putc(byte);
    return CONSOLE_NOTHING;
}

// U+0000..001F without tab and line feed, U+007F..009F. text is valid UTF-8.
static bool is_control(const uint8_t *text)
{
    return (text[0] < ' ' && text[0] != '\t' && text[0] != '\n') || text[0] == DEL ||
           (text[0] == 0xc2 && text[1] < 0xa0);
}

static void show(struct console *console, const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            put(console, "\n");
        } else if (is_control(text + i)) {
            put(console, "\xef\xbf\xbd"); // a model must not steer the terminal, nor the link
            i += text[i] == 0xc2 ? 1 : 0;
        } else {
            console->io->putc(text[i]);
        }
    }
}

void console_text(struct console *console, const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t shown[UTF8_PUSH_MAX];
        show(console, shown, utf8_push(&console->shown, text[i], shown));
    }
}

void console_text_end(struct console *console)
{
    uint8_t shown[UTF8_PUSH_MAX];
    show(console, shown, utf8_end(&console->shown, shown));
}
