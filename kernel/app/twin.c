// The kernel's portable part as a program of the host: the same session, on pipes.
//
//     twin --blob model.blob [--in FD] [--out FD] [--cores N]
//
// Exit: 0 after POWEROFF or when the input ends, 2 for a blob or argument it cannot work with, 3
// after a panic.
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/serve.h"
#include "app/twin_cores.h"
#include "gen/layout.h"
#include "gen/model.h"
#include "lib/blob_header.h"
#include "lib/crc32.h"
#include "lib/panic.h"
#include "nn/kv_cache.h"
#include "smp/parallel.h"

#define USAGE "usage: twin --blob FILE [--in FD] [--out FD] [--cores N]"

// The planned regions that portable code uses.
#define PAGE_BYTES 4096
alignas(PAGE_BYTES) uint8_t __link_start[REGION_LINK_SIZE];
alignas(PAGE_BYTES) uint8_t __session_start[REGION_SESSION_SIZE];
alignas(PAGE_BYTES) uint8_t __activations_start[REGION_ACTIVATIONS_SIZE];
static alignas(PAGE_BYTES) uint8_t kv_cache[REGION_KV_CACHE_SIZE + 1]; // there may be none

#define NS_PER_S 1000000000ull

static struct {
    int in, out;
    bool closed;
    uint8_t received[4096];
    size_t n_received, n_taken;
    uint8_t sent[4096];
    size_t n_sent;
    int n_empty; // looks in a row without a byte either way
} line;

noreturn static void fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
noreturn static void fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("twin: error: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void line_flush(void)
{
    size_t done = 0;
    while (done < line.n_sent) {
        const ssize_t n = write(line.out, line.sent + done, line.n_sent - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = line.out, .events = POLLOUT}, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            exit(0); // nobody reads any more
        }
    }
    line.n_sent = 0;
}

static void line_putc(uint8_t c)
{
    if (line.n_sent == sizeof line.sent) {
        line_flush();
    }
    line.sent[line.n_sent++] = c;
    line.n_empty = 0;
}

// Takes in what arrives within timeout_ms (-1: waits for a byte).
static void line_receive(int timeout_ms)
{
    line_flush();
    struct pollfd waiting = {.fd = line.in, .events = POLLIN};
    if (line.closed || poll(&waiting, 1, timeout_ms) <= 0) {
        return;
    }
    const ssize_t n = read(line.in, line.received, sizeof line.received);
    if (n > 0) {
        line.n_taken = 0;
        line.n_received = (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        line.closed = true;
    }
}

static int line_getc(void)
{
    if (line.n_taken == line.n_received) {
        // Looked in vain for a while: the session waits, and need not burn the CPU for it.
        line_receive(++line.n_empty > 16 ? 1 : 0);
    }
    if (line.n_taken < line.n_received) {
        line.n_empty = 0;
        return line.received[line.n_taken++];
    }
    return line.closed ? LINK_CLOSED : LINK_NO_BYTE;
}

static void line_idle(void)
{
    if (line.n_taken == line.n_received) {
        line_receive(-1);
    }
}

static void line_pause(void)
{
    // line_getc() waits when there is nothing to take.
}

static uint64_t ticks_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

noreturn static void after_panic(void)
{
    line_flush();
    _exit(3);
}

static void check_blob(const char *path, const struct blob_header *h, uint64_t file_bytes)
{
    if (memcmp(h->magic, BLOB_MAGIC, sizeof h->magic) != 0) {
        fail("%s is not a model blob (no " BLOB_MAGIC " at its start)", path);
    }
    const uint32_t header_crc = crc32(0, h, offsetof(struct blob_header, header_crc));
    if (h->header_crc != header_crc) {
        fail("%s: the header is damaged (CRC 0x%08x, computed 0x%08x)", path, h->header_crc,
             header_crc);
    }
    if (h->version != BLOB_VERSION || h->header_bytes != sizeof *h) {
        fail("%s has format version %u, expected %d", path, h->version, BLOB_VERSION);
    }
    if (h->build_id != BUILD_ID) {
        fail("%s belongs to build %016llx, this program to %016llx", path,
             (unsigned long long)h->build_id, (unsigned long long)BUILD_ID);
    }
    if (h->size_bytes != BLOB_SIZE || file_bytes < BLOB_SIZE) {
        fail("%s has %llu bytes and its header says %llu, expected %llu", path,
             (unsigned long long)file_bytes, (unsigned long long)h->size_bytes,
             (unsigned long long)BLOB_SIZE);
    }
    const uint32_t crc = crc32(0, h + 1, BLOB_SIZE - sizeof *h);
    if (h->payload_crc != crc) {
        fail("%s is damaged (CRC 0x%08x, computed 0x%08x)", path, h->payload_crc, crc);
    }
}

static const uint8_t *map_blob(const char *path)
{
    const int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        fail("%s: %s", path, strerror(errno));
    }
    if ((size_t)status.st_size < sizeof(struct blob_header)) {
        fail("%s has %lld bytes, a model blob has at least %zu", path, (long long)status.st_size,
             sizeof(struct blob_header));
    }
    const void *blob = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (blob == MAP_FAILED) {
        fail("%s: %s", path, strerror(errno));
    }
    close(fd);
    check_blob(path, blob, (uint64_t)status.st_size);
    return blob;
}

static int parse_cores(const char *text)
{
    char *end;
    const long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 1 || n > PARALLEL_MAX_CORES) {
        fail("%s is not a number of cores from 1 to %d", text, PARALLEL_MAX_CORES);
    }
    return (int)n;
}

static int parse_fd(const char *text)
{
    char *end;
    const long fd = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || fd < 0 || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0) {
        fail("%s is not an open file descriptor", text);
    }
    return (int)fd;
}

int main(int argc, char **argv)
{
    const char *blob = NULL;
    int n_cores = 1;
    line.in = STDIN_FILENO;
    line.out = STDOUT_FILENO;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fail("%s needs a value; " USAGE, argv[i]);
        } else if (strcmp(argv[i], "--blob") == 0) {
            blob = argv[i + 1];
        } else if (strcmp(argv[i], "--in") == 0) {
            line.in = parse_fd(argv[i + 1]);
        } else if (strcmp(argv[i], "--out") == 0) {
            line.out = parse_fd(argv[i + 1]);
        } else if (strcmp(argv[i], "--cores") == 0) {
            n_cores = parse_cores(argv[i + 1]);
        } else {
            fail("unknown option %s; " USAGE, argv[i]);
        }
    }
    if (!blob) {
        fail("no blob; " USAGE);
    }
    signal(SIGPIPE, SIG_IGN);
    panic_hooks.putc = line_putc;
    panic_hooks.finish = after_panic;
    model_init(map_blob(blob));
    kv_cache_init(REGION_KV_CACHE_SIZE > 0 ? kv_cache : __activations_start);
    if (!twin_cores_start(n_cores)) {
        fail("the host gives no thread for %d cores", n_cores);
    }

    struct link_io io = {line_getc, line_putc, ticks_ns, NS_PER_S, line_idle, line_pause};
    struct serve_info info = {.description = "twin " MODEL_NAME,
                              .system = SYSTEM_LINE[0] ? SYSTEM_LINE " board=twin" : "",
                              .boot_ticks = ticks_ns()};
    const enum serve_end end = serve(&io, &info);
    line_flush();
    return end == SERVE_REBOOT ? execv("/proc/self/exe", argv) : 0;
}
