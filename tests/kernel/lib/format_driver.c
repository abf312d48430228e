// kernel/lib/format.c against libc's snprintf, in every buffer size.
#include "lib/format.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Written into buffers of 0..64 bytes: the text is a prefix of snprintf's, closed, and its length
// is what format() returns.
#define CHECK(...)                                                                                 \
    do {                                                                                           \
        char want[65];                                                                             \
        snprintf(want, sizeof(want), __VA_ARGS__);                                                 \
        for (size_t size = 0; size <= sizeof(want); size++) {                                      \
            char *got = malloc(size + 1); /* the sanitizer sees a byte too many */                 \
            got[size] = 'x';                                                                       \
            const size_t n = format(got, size, __VA_ARGS__);                                       \
            const size_t fits = size == 0 ? 0 : strlen(want) < size ? strlen(want) : size - 1;     \
            if (n != fits || memcmp(got, want, n) != 0 || (size > 0 && got[n] != '\0') ||          \
                got[size] != 'x') {                                                                \
                fprintf(stderr, "line %d: size %zu: '%.*s', want '%s'\n", __LINE__, size, (int)n,  \
                        got, want);                                                                \
                return 1;                                                                          \
            }                                                                                      \
            free(got);                                                                             \
        }                                                                                          \
    } while (0)

int main(void)
{
    CHECK("plain");
    CHECK("%s and %s", "one", "");
    CHECK("[%8s][%-8s][%2s]", "right", "left", "wide");
    CHECK("[%c][%3c][%-3c]", 'a', 'b', 'c');
    CHECK("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
    CHECK("%u %u %x %x", 0u, UINT_MAX, 0u, UINT_MAX);
    CHECK("%ld %lu %lx", LONG_MIN, ULONG_MAX, ULONG_MAX);
    CHECK("%lld %llu %llx", LLONG_MIN, ULLONG_MAX, 0x123456789abcdefull);
    CHECK("%zu %zx", sizeof(int), (size_t)-1);
    CHECK("[%5d][%-5d][%05d][%05d]", 42, 42, 42, -42);
    CHECK("[%08x][%016lx][%3x]", 0xbeefu, 0xdeadbeeful, 0x12345u);
    CHECK("%p", (void *)0x40080000);
    CHECK("100%%");
    return 0;
}
