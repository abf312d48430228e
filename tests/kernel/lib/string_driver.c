// kernel/lib/string.c on every alignment and many lengths, against byte loops. The build renames
// its functions (-Dmemcpy=kernel_memcpy, ...), so that the sanitizers keep libc's.
#include "lib/string.h"

#include <stdio.h>
#include <stdlib.h>

#define SPAN 96

static void require(bool ok, const char *what, int a, int b, int n)
{
    if (!ok) {
        fprintf(stderr, "%s: dst+%d src+%d n=%d\n", what, a, b, n);
        exit(1);
    }
}

static void fill(uint8_t *p)
{
    for (int i = 0; i < 2 * SPAN; i++) {
        p[i] = (uint8_t)(i * 37 + 11);
    }
}

static bool same(const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < 2 * SPAN; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

int main(void)
{
    static uint8_t got[2 * SPAN], want[2 * SPAN], src[2 * SPAN];
    for (int a = 0; a < 9; a++) {
        for (int n = 0; n <= 70; n++) {
            for (int b = 0; b < 9; b++) {
                fill(src);
                memset(got, 0, sizeof(got));
                memset(want, 0, sizeof(want));
                memcpy(got + a, src + b, (size_t)n);
                for (int i = 0; i < n; i++) {
                    want[a + i] = src[b + i];
                }
                require(same(got, want), "memcpy", a, b, n);

                fill(got);
                fill(want);
                memmove(got + a, got + b, (size_t)n); // overlapping
                for (int i = 0; i < n; i++) {
                    want[a + i] = src[b + i];
                }
                require(same(got, want), "memmove", a, b, n);
            }
            fill(got);
            fill(want);
            memset(got + a, 0x1a5, (size_t)n);
            for (int i = 0; i < n; i++) {
                want[a + i] = 0xa5;
            }
            require(same(got, want), "memset", a, 0, n);

            fill(got);
            fill(want);
            require(memcmp(got + a, want + a, (size_t)n) == 0, "memcmp equal", a, a, n);
            for (int i = 0; i < n; i++) {
                want[a + i] = (uint8_t)(got[a + i] + 1);
                const int expected = want[a + i] == 0 ? 1 : -1;
                const int result = memcmp(got + a, want + a, (size_t)n);
                require((result > 0) - (result < 0) == expected, "memcmp", a, i, n);
                want[a + i] = got[a + i];
            }
        }
    }
    require(strlen("") == 0 && strlen("abc") == 3, "strlen", 0, 0, 0);
    return 0;
}
