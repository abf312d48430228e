// Types stdin at the console. The screen goes to stdout; each line to stderr, as does "^C".
// With an argument, stdin is text that the model generated.
#include <stdio.h>

#include "app/console.h"

static void putc_stdout(uint8_t c)
{
    putchar(c);
}

int main(int argc, char **argv)
{
    (void)argv;
    static struct console console;
    struct link_io io = {.putc = putc_stdout};
    console_init(&console, &io);
    int c;
    while ((c = getchar()) != EOF) {
        const uint8_t byte = (uint8_t)c;
        if (argc > 1) {
            console_text(&console, &byte, 1);
            continue;
        }
        switch (console_type(&console, byte)) {
        case CONSOLE_LINE:
            fprintf(stderr, "%s\n", console.line);
            console_clear(&console);
            break;
        case CONSOLE_INTERRUPT:
            fprintf(stderr, "^C\n");
            break;
        case CONSOLE_NOTHING:
            break;
        }
    }
    console_text_end(&console);
    return 0;
}
