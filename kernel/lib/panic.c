// The panic report: a few lines that the harness recognises and a person can read.
#include "lib/panic.h"

#include "lib/format.h"

struct panic_hooks panic_hooks;

static int n_reports; // the first is a report, the second says that it failed, others are silent

static void put_text(const char *s)
{
    for (; *s != '\0' && panic_hooks.putc != NULL; s++) {
        if (*s == '\n') {
            panic_hooks.putc('\r');
        }
        panic_hooks.putc((uint8_t)*s);
    }
}

// A zero byte ends whatever frame was on its way, so that the host takes the report as text.
static void put_frame_delimiter(void)
{
    if (panic_hooks.putc != NULL) {
        panic_hooks.putc(0);
    }
}

static noreturn void finish(void)
{
    if (panic_hooks.finish != NULL) {
        panic_hooks.finish();
    }
    for (;;) {
    }
}

void panic_begin(void)
{
    if (panic_hooks.stop_others != NULL) {
        panic_hooks.stop_others(); // whoever comes back has the line, and n_reports, for itself
    }
    n_reports++;
    if (n_reports == 2) {
        panic_print("\nPANIC cpu=%u during the panic report\nEND PANIC\n",
                    panic_hooks.cpu != NULL ? panic_hooks.cpu() : 0);
        put_frame_delimiter();
    }
    if (n_reports >= 2) {
        for (;;) {
        }
    }
    put_frame_delimiter();
    panic_print("\nPANIC cpu=%u ", panic_hooks.cpu != NULL ? panic_hooks.cpu() : 0);
}

void panic_print(const char *fmt, ...)
{
    char line[256];
    va_list args;
    va_start(args, fmt);
    vformat(line, sizeof(line), fmt, args);
    va_end(args);
    put_text(line);
}

void panic_end(void)
{
    int layer = -1, token = -1;
    if (panic_hooks.progress != NULL) {
        panic_hooks.progress(&layer, &token);
        panic_print("while: layer=%d token=%d\n", layer, token);
    }
    put_text("END PANIC\n");
    put_frame_delimiter();
}

void panic_at(const char *file, int line, const char *fmt, ...)
{
    char message[256];
    va_list args;
    va_start(args, fmt);
    vformat(message, sizeof(message), fmt, args);
    va_end(args);
    panic_begin();
    panic_print("%s:%d: ", file, line);
    put_text(message);
    put_text("\n");
    finish();
}
