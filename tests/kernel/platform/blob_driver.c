// What blob_check() says about the blob on stdin, passed as initrd if argv[1] is not 0: `ok`, or
// its panic. argv[2]: the size that the kernel expects.
#define _POSIX_C_SOURCE 200809L // posix_memalign
#include "arch/cpu.h"
#include "arch/crc32_arm.h"
#include "lib/crc32.h"
#include "lib/panic.h"
#include "platform/blob.h"

#include <stdio.h>
#include <stdlib.h>

bool cpu_has_crc32(void)
{
    return false;
}

uint32_t crc32_fast(uint32_t crc, const void *data, size_t n)
{
    return crc32(crc, data, n);
}

static void put(uint8_t byte)
{
    putchar(byte);
}

static void finish(void)
{
    exit(0);
}

int main(int argc, char **argv)
{
    static uint8_t input[1 << 16];
    const size_t n = fread(input, 1, sizeof(input), stdin);
    if (argc != 3 || n == 0) {
        return 1;
    }
    panic_hooks.putc = put;
    panic_hooks.finish = finish;
    void *memory = NULL; // exactly n bytes: the sanitizer sees one too many
    if (posix_memalign(&memory, 64, n) != 0) {
        return 1;
    }
    uint8_t *blob = memory;
    for (size_t i = 0; i < n; i++) {
        blob[i] = input[i];
    }
    struct platform platform = {0};
    if (atoi(argv[1]) != 0) {
        platform.initrd = (struct range){(paddr_t)blob, (paddr_t)blob + n};
    }
    const bool same =
        blob_check(&platform, 0x1122334455667788, strtoull(argv[2], NULL, 10)) == blob;
    free(blob);
    printf("%s\n", same ? "ok" : "other address");
    return 0;
}
