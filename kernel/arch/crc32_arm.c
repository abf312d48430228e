// CRC-32 with the CRC32 instructions: the same polynomial as lib/crc32.c.
#include "arch/crc32_arm.h"

#include <arm_acle.h>

typedef uint64_t __attribute__((may_alias)) word_t;

uint32_t crc32_fast(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;
    for (; n > 0 && !IS_ALIGNED((uintptr_t)p, sizeof(word_t)); n--) {
        c = __crc32b(c, *p++);
    }
    const word_t *w = (const word_t *)p;
    // 64 bytes a round: a model has hundreds of megabytes of them.
    for (; n >= 8 * sizeof(word_t); n -= 8 * sizeof(word_t), w += 8) {
        c = __crc32d(__crc32d(__crc32d(__crc32d(c, w[0]), w[1]), w[2]), w[3]);
        c = __crc32d(__crc32d(__crc32d(__crc32d(c, w[4]), w[5]), w[6]), w[7]);
    }
    for (p = (const uint8_t *)w; n > 0; n--) {
        c = __crc32b(c, *p++);
    }
    return ~c;
}
