// Memory and string functions: eight bytes at a time where the alignment allows. They also run with
// the MMU off, where all memory is Device memory and an unaligned access faults.
#include "lib/string.h"

// Words of any object may be read and written here, whatever its declared type.
typedef uint64_t __attribute__((may_alias)) word_t;

#define WORD sizeof(word_t)

static bool both_aligned(const void *a, const void *b)
{
    return IS_ALIGNED((uintptr_t)a | (uintptr_t)b, WORD);
}

// Ascending: the areas may overlap when d is below s. Each round loads before it stores.
static void copy_up(uint8_t *d, const uint8_t *s, size_t n)
{
    if (both_aligned(d, s)) {
        for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD, s += 4 * WORD) {
            const word_t a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
            const word_t c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];
            ((word_t *)d)[0] = a;
            ((word_t *)d)[1] = b;
            ((word_t *)d)[2] = c;
            ((word_t *)d)[3] = e;
        }
        for (; n >= WORD; n -= WORD, d += WORD, s += WORD) {
            *(word_t *)d = *(const word_t *)s;
        }
    }
    while (n-- > 0) {
        *d++ = *s++;
    }
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    copy_up(dst, src, n);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    if ((uintptr_t)d - (uintptr_t)s >= n) {
        copy_up(d, s, n); // never overwrites what is still to be read
        return dst;
    }
    if (both_aligned(d, s)) {
        for (; !IS_ALIGNED(n, WORD); n--) {
            d[n - 1] = s[n - 1];
        }
        for (; n > 0; n -= WORD) {
            *(word_t *)(d + n - WORD) = *(const word_t *)(s + n - WORD);
        }
    }
    for (; n > 0; n--) {
        d[n - 1] = s[n - 1];
    }
    return dst;
}

void *memset(void *dst, int byte, size_t n)
{
    uint8_t *d = dst;
    for (; n > 0 && !IS_ALIGNED((uintptr_t)d, WORD); n--) {
        *d++ = (uint8_t)byte;
    }
    const word_t word = 0x0101010101010101u * (uint8_t)byte;
    for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD) {
        ((word_t *)d)[0] = word;
        ((word_t *)d)[1] = word;
        ((word_t *)d)[2] = word;
        ((word_t *)d)[3] = word;
    }
    while (n-- > 0) {
        *d++ = (uint8_t)byte;
    }
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n] != '\0') {
        n++;
    }
    return n;
}
