// The loader on this machine: its line is stdin and stdout, and what it received goes to a file.
// Arguments: the file; the fastest speed that set_baud() agrees to; milliseconds that its clock
// goes on by with each byte that it sends (an answer takes that much longer, without anyone
// waiting).
#define _POSIX_C_SOURCE 200809L // clock_gettime()
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gen/link.h"
#include "loader/loader.h"

static uint64_t baud_max, us_per_byte, us_sent;
static bool has_sent;

static int getc_stdin(void)
{
    struct pollfd fd = {.fd = 0, .events = POLLIN};
    uint8_t byte;
    if (has_sent) { // the host's next byte is never there at once
        has_sent = false;
        return LINK_NO_BYTE;
    }
    if (poll(&fd, 1, 0) <= 0) {
        return LINK_NO_BYTE;
    }
    return read(0, &byte, 1) == 1 ? byte : LINK_CLOSED;
}

static void putc_stdout(uint8_t c)
{
    if (write(1, &c, 1) != 1) {
        exit(2);
    }
    us_sent += us_per_byte;
    has_sent = true;
}

static uint64_t ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return us_sent + (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void rest(void)
{
    struct pollfd fd = {.fd = 0, .events = POLLIN};
    poll(&fd, 1, 1);
}

static bool set_baud(uint32_t baud)
{
    fprintf(stderr, "baud %u\n", baud);
    return baud <= baud_max;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 1;
    }
    baud_max = strtoul(argv[2], NULL, 10);
    us_per_byte = strtoul(argv[3], NULL, 10) * 1000;
    const size_t room = 1 << 20; // exactly as large as promised: the sanitizer sees any byte beyond
    uint8_t *memory = malloc(room);
    const struct loader_io io = {
        .line = {.getc = getc_stdin,
                 .putc = putc_stdout,
                 .ticks = ticks,
                 .ticks_per_s = 1000000,
                 .idle = rest,
                 .pause = rest},
        .set_baud = set_baud,
        .baud_max = (uint32_t)baud_max,
        .banner = "Bareword loader: a test",
        .firmware_x0 = 0,
    };
    const struct loader_memory where = {memory, (uint32_t)room};
    const uint32_t size = loader_receive(&io, &where);
    FILE *file = fopen(argv[1], "wb");
    if (!file || fwrite(memory, 1, size, file) != size || fclose(file) != 0) {
        return 3;
    }
    free(memory);
    return size ? 0 : 4;
}
