// What free_ram_take() answers. Arguments, in order: `ram START END`, `no_map ..`, `reserved ..`,
// `image ..`, `fdt ..`, `initrd ..` describe a machine; `take SIZE ALIGN` prints an address, or the
// panic that ends the program.
#include "platform/free_ram.h"
#include "told_panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static noreturn void after_panic(void)
{
    exit(0);
}

int main(int argc, char **argv)
{
    struct platform p = {0};
    for (int i = 1; i + 2 < argc; i += 3) {
        const uint64_t a = strtoull(argv[i + 1], NULL, 0), b = strtoull(argv[i + 2], NULL, 0);
        const struct range range = {a, b};
        if (strcmp(argv[i], "ram") == 0) {
            p.ram[p.n_ram++] = range;
        } else if (strcmp(argv[i], "no_map") == 0) {
            p.no_map[p.n_no_map++] = range;
        } else if (strcmp(argv[i], "reserved") == 0) {
            p.reserved[p.n_reserved++] = range;
        } else if (strcmp(argv[i], "image") == 0) {
            p.image = range;
        } else if (strcmp(argv[i], "fdt") == 0) {
            p.fdt = range;
        } else if (strcmp(argv[i], "initrd") == 0) {
            p.initrd = range;
        } else if (strcmp(argv[i], "take") == 0) {
            printf("0x%lx\n", free_ram_take(&p, "the KV cache", a, b));
        } else {
            return 1;
        }
    }
    return 0;
}
