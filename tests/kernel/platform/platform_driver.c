// What platform_init() makes of the device tree on stdin, its panic too; with `damage SEED COUNT`:
// of COUNT damaged copies, where only the sanitizers judge.
#include "dev/uart_pl011.h"
#include "lib/panic.h"
#include "platform/platform.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TREE (1 << 20)

static paddr_t uart_moved_to;
static jmp_buf after_panic;

// In place of lib/panic.c, which panics once: here every damaged tree may.
noreturn void panic_at(const char *file, int line, const char *fmt, ...)
{
    (void)file, (void)line;
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    longjmp(after_panic, 1);
}

void uart_init(paddr_t base)
{
    uart_moved_to = base;
}

static void print_ranges(const char *name, const struct range *ranges, int n)
{
    for (int i = 0; i < n; i++) {
        printf("%s=0x%lx..0x%lx\n", name, ranges[i].start, ranges[i].end);
    }
}

static void print_platform(const struct platform *p)
{
    print_ranges("ram", p->ram, p->n_ram);
    print_ranges("no_map", p->no_map, p->n_no_map);
    print_ranges("reserved", p->reserved, p->n_reserved);
    print_ranges("initrd", &p->initrd, 1);
    printf("fdt=%lu\nuart=0x%lx\nuart_irq=%u\nuart_moved_to=0x%lx\n", p->fdt.end - p->fdt.start,
           p->uart, p->uart_irq, uart_moved_to);
    printf("gicd=0x%lx\ngicc=0x%lx\npsci=%d\nn_cpu=%d\n", p->gicd, p->gicc, p->psci, p->n_cpu);
    for (int i = 0; i < p->n_cpu && i < CPU_MAX; i++) {
        printf("cpu=0x%lx %d 0x%lx\n", p->cpus[i].mpidr, p->cpus[i].method, p->cpus[i].release);
    }
}

// The tree in memory of exactly its size.
static void with_copy(const uint8_t *tree, size_t n, bool print)
{
    uint8_t *copy = malloc(n);
    memcpy(copy, tree, n);
    // A total size beyond the memory is the loader's lie about itself, which nothing can check.
    if (n >= 8) {
        const uint32_t said =
            (uint32_t)copy[4] << 24 | (uint32_t)copy[5] << 16 | (uint32_t)copy[6] << 8 | copy[7];
        if (said > n) {
            for (int i = 0; i < 4; i++) {
                copy[4 + i] = (uint8_t)(n >> (24 - 8 * i));
            }
        }
    }
    struct platform platform;
    if (setjmp(after_panic) == 0) {
        platform_init(&platform, (paddr_t)copy);
        if (print) {
            print_platform(&platform);
        }
    }
    free(copy);
}

static void damage(uint8_t *tree, size_t *n)
{
    if (rand() % 4 == 0) {
        *n = 40 + (size_t)rand() % (*n - 40);
    }
    for (int edits = rand() % 8; edits > 0; edits--) {
        const size_t at = (size_t)rand() % (*n < 64 || rand() % 2 ? *n : 64);
        static const uint8_t nasty[] = {0, 1, 2, 3, 4, 9, 0x7f, 0x80, 0xff};
        tree[at] = rand() % 2 ? nasty[(size_t)rand() % sizeof(nasty)] : (uint8_t)rand();
    }
}

int main(int argc, char **argv)
{
    static uint8_t tree[MAX_TREE], copy[MAX_TREE];
    const size_t n = fread(tree, 1, sizeof(tree), stdin);
    if (argc < 4) {
        with_copy(tree, n, true);
        return 0;
    }
    srand((unsigned)atoi(argv[2]));
    for (int i = atoi(argv[3]); i > 0; i--) {
        size_t size = n;
        memcpy(copy, tree, n);
        damage(copy, &size);
        with_copy(copy, size, false);
    }
    return 0;
}
