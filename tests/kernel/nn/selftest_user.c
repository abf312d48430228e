// The self-test as a program of a hosted system, for user-mode emulation.
#include <stdio.h>

int nn_selftest(void (*print)(const char *line));

static void print_line(const char *line)
{
    fputs(line, stdout);
}

int main(void)
{
    return nn_selftest(print_line) == 0 ? 0 : 1;
}
