// What platform_init() makes of the device tree on stdin, its panic too, as NAME=VALUE lines; the
// machine around it is argv: IMAGE EL CPU_PART REVISION ARM_MEMORY_END SHIFT (hexadecimal; 0: the
// mailbox says nothing; SHIFT: of the tree from an aligned address). An empty stdin is x0 = 0. With
// `damage SEED COUNT`: of COUNT damaged copies, where only the sanitizers judge.
#include "arch/cpu.h"
#include "dev/mailbox.h"
#include "platform/pi.h"
#include "platform/platform.h"
#include "told_panic.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TREE (3 << 20) // more than is read

static struct {
    paddr_t image;
    unsigned el, part;
    uint32_t revision;
    paddr_t memory_end;
    size_t shift;
} machine = {.image = 0x40080000, .el = 1, .part = 0xd08};

static struct uart console;
static int n_pin_setups;
static jmp_buf next_tree;

unsigned cpu_part(void)
{
    return machine.part;
}

void mailbox_init(paddr_t base, uint64_t bus_offset)
{
    (void)base, (void)bus_offset;
}

uint32_t pi_revision(void)
{
    return machine.revision;
}

bool pi_memory(struct range *ram)
{
    *ram = (struct range){0, machine.memory_end};
    return machine.memory_end != 0;
}

void pi_raise_clock(void)
{
}

void pi_console_init(const struct devices *devices)
{
    n_pin_setups += devices->gpio.kind != GPIO_NONE;
}

void uart_init(const struct uart *uart)
{
    console = *uart;
}

// Every damaged tree may panic.
static noreturn void after_panic(void)
{
    longjmp(next_tree, 1);
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
    const struct devices *d = &p->devices;
    printf("name=%s\ntitle=%s\nfdt=%lu\n", p->name, p->title, p->fdt.end - p->fdt.start);
    printf("source=%s\n", p->source);
    printf("uart=%d 0x%lx %u %u\nuart_irq=%u\nconsole=0x%lx\npins=%d\n", d->uart.kind, d->uart.base,
           d->uart.reg_shift, d->uart.reg_width, d->uart_irq, console.base, n_pin_setups);
    printf("intc=%d 0x%lx 0x%lx\n", d->intc.kind, d->intc.first, d->intc.second);
    printf("mailbox=0x%lx 0x%lx\npm=0x%lx\n", d->mailbox, d->mailbox_bus, d->pm);
    printf("gpio=%d 0x%lx\n", d->gpio.kind, d->gpio.base);
    for (int i = 0; i < MAX_SD_HOSTS; i++) {
        printf("sd=%d 0x%lx\n", d->sd[i].kind, d->sd[i].base);
    }
    printf("psci=%d\nn_cpu=%d\n", p->psci, p->n_cpu);
    for (int i = 0; i < p->n_cpu && i < CPU_MAX; i++) {
        printf("cpu=0x%lx %d 0x%lx\n", p->cpus[i].mpidr, p->cpus[i].method, p->cpus[i].release);
    }
}

static uint64_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// The tree in memory of exactly its size.
static void with_copy(const uint8_t *tree, size_t n, bool print)
{
    uint8_t *room = malloc(n + machine.shift), *copy = room + machine.shift;
    memcpy(copy, tree, n);
    // A size beyond the memory is the loader's lie about itself, which nothing can check. Room
    // behind the tree may be more than is here.
    if (n >= 40 && copy[0] == 0xd0 && be32(copy + 4) > n) {
        const uint64_t nodes_end = be32(copy + 8) + be32(copy + 36);
        const uint64_t strings_end = be32(copy + 12) + be32(copy + 32);
        const bool whole = nodes_end <= n && strings_end <= n && print;
        for (int i = 0; i < 4 && !whole; i++) {
            copy[4 + i] = (uint8_t)(n >> (24 - 8 * i));
        }
    }
    struct platform platform;
    if (setjmp(next_tree) == 0) {
        platform_init(&platform, n > 0 ? (paddr_t)copy : 0, machine.image, machine.el);
        if (print) {
            print_platform(&platform);
        }
    }
    free(room);
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
    if (argc == 7) {
        machine.image = strtoull(argv[1], NULL, 16);
        machine.el = (unsigned)strtoul(argv[2], NULL, 16);
        machine.part = (unsigned)strtoul(argv[3], NULL, 16);
        machine.revision = (uint32_t)strtoul(argv[4], NULL, 16);
        machine.memory_end = strtoull(argv[5], NULL, 16);
        machine.shift = strtoull(argv[6], NULL, 16);
    }
    if (argc != 4) {
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
