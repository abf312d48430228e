// What the FDT says about this machine; where it is silent, what the board definition says.
#include "platform/platform.h"

#include "arch/cpu.h"
#include "arch/mmu.h"
#include "dev/mailbox.h"
#include "lib/atags.h"
#include "lib/fdt.h"
#include "lib/format.h"
#include "lib/panic.h"
#include "platform/from_fdt.h"
#include "platform/pi.h"

#define FIRST_GIB (1ull << 30)

// Sorted, cut to whole pages that the map can hold, and without overlap.
static void tidy_ram(struct platform *p)
{
    for (int i = 1; i < p->n_ram; i++) {
        for (int j = i; j > 0 && p->ram[j].start < p->ram[j - 1].start; j--) {
            const struct range lower = p->ram[j];
            p->ram[j] = p->ram[j - 1];
            p->ram[j - 1] = lower;
        }
    }
    int n = 0;
    for (int i = 0; i < p->n_ram; i++) {
        struct range r = p->ram[i];
        r.end = ALIGN_DOWN(r.end < MMU_SIZE_LIMIT ? r.end : MMU_SIZE_LIMIT, PAGE_SIZE);
        r.start = r.start < MMU_SIZE_LIMIT ? ALIGN_UP(r.start, PAGE_SIZE) : r.end;
        if (r.start >= r.end) {
            continue;
        }
        if (n > 0 && r.start <= p->ram[n - 1].end) {
            p->ram[n - 1].end = r.end > p->ram[n - 1].end ? r.end : p->ram[n - 1].end;
        } else {
            p->ram[n++] = r;
        }
    }
    p->n_ram = n;
}

static void set_names(struct platform *p, const char *name, const char *title)
{
    format(p->name, sizeof(p->name), "%s", name);
    format(p->title, sizeof(p->title), "%s", title);
}

static void add_ram(struct platform *p, paddr_t start, paddr_t end)
{
    platform_add_range(p, "RAM", p->ram, &p->n_ram, start, end - start);
}

static void add_board_ram(struct platform *p, const struct board *board)
{
    for (int i = 0; i < BOARD_MAX_RANGES; i++) {
        add_ram(p, board->ram[i].start, board->ram[i].end);
    }
}

// What the tree of a board that we know leaves out or has switched off, and is there all the same.
static void fill_in(struct devices *devices, const struct devices *known)
{
    if (devices->uart.kind == UART_NONE) {
        devices->uart = known->uart;
        devices->uart_irq = known->uart_irq;
    }
    if (devices->mailbox == 0) {
        devices->mailbox = known->mailbox;
        devices->mailbox_bus = known->mailbox_bus;
    }
    bool has_sd = false;
    for (int i = 0; i < MAX_SD_HOSTS; i++) {
        has_sd |= devices->sd[i].kind != SD_HOST_NONE;
    }
    for (int i = 0; i < MAX_SD_HOSTS && !has_sd; i++) {
        devices->sd[i] = known->sd[i];
    }
    devices->pm = devices->pm != 0 ? devices->pm : known->pm;
}

// The name that a person knows; of a board that we do not know, the tree's own.
static void read_tree(struct platform *p, const struct fdt *fdt, unsigned el)
{
    struct fdt_node root = {0};
    const bool whole = platform_from_fdt(p, fdt);
    format(p->source, sizeof(p->source), "device tree at 0x%lx%s", (paddr_t)fdt->blob,
           whole ? "" : ", but not to its end: it is damaged, or nested too deep");
    if (!fdt_next(fdt, &root)) {
        return;
    }
    const struct fdt_property compatible = fdt_get(fdt, root.offset, "compatible");
    const struct board *board = board_of_tree(compatible, el);
    if (board == NULL) {
        const char *model = fdt_string(fdt_get(fdt, root.offset, "model"));
        set_names(p, model, model);
        return;
    }
    set_names(p, board->name, board->title);
    if (p->n_ram == 0) {
        add_board_ram(p, board);
    }
    fill_in(&p->devices, &board->devices);
}

// Without a tree, for the reason given; what came in x0 may be ATAGs.
static void read_board(struct platform *p, paddr_t loader, paddr_t image, unsigned el,
                       const char *why)
{
    const struct board *board = board_of_place(image, cpu_part(), el);
    struct atags atags;
    if (board == NULL) {
        return;
    }
    if (board->devices.mailbox != 0) { // boards that differ in nothing else
        mailbox_init(board->devices.mailbox, board->devices.mailbox_bus);
        board = board_of_revision(pi_revision(), board);
    }
    set_names(p, board->name, board->title);
    p->devices = board->devices;
    const bool has_atags = atags_read(&atags, (const void *)loader);
    format(p->source, sizeof(p->source), "built-in facts of %s%s; device tree: %s", p->name,
           has_atags ? ", and ATAGs" : "", why);
    if (has_atags) {
        for (int i = 0; i < atags.n_memory; i++) {
            add_ram(p, atags.memory[i].start, atags.memory[i].start + atags.memory[i].size);
        }
        p->initrd = (struct range){atags.initrd_start, atags.initrd_start + atags.initrd_size};
    }
    if (p->n_ram == 0) {
        add_board_ram(p, board);
    }
    p->n_cpu = board->n_cpu;
    p->psci = board->cpu_method != CPU_METHOD_PSCI ? PSCI_NONE : el == 1 ? PSCI_HVC : PSCI_SMC;
    for (int i = 0; i < p->n_cpu && i < CPU_MAX; i++) {
        p->cpus[i].mpidr = (uint64_t)i * board->cpu_stride;
        p->cpus[i].method = board->cpu_method;
        if (board->cpu_method == CPU_METHOD_SPIN_TABLE) {
            p->cpus[i].release = board->spin_table + (paddr_t)i * sizeof(uint64_t);
        }
    }
}

// The VideoCore's part of the first GiB is not ours, whatever else says so.
static void cut_first_gib(struct platform *p)
{
    struct range ours;
    if (!pi_memory(&ours)) {
        return;
    }
    const int n = p->n_ram;
    for (int i = 0; i < n; i++) {
        struct range *r = &p->ram[i];
        if (r->start < FIRST_GIB && r->end > ours.end) {
            if (r->end > FIRST_GIB) { // what lies above it stays
                add_ram(p, FIRST_GIB, r->end);
            }
            r->end = r->start < ours.end ? ours.end : r->start; // nothing of it, maybe
        }
    }
}

void platform_init(struct platform *p, paddr_t loader, paddr_t image, unsigned el)
{
    struct fdt fdt;
    char why[96];
    *p = (struct platform){.psci = PSCI_NONE};
    if (fdt_open(&fdt, (const void *)loader, FDT_MAX_SIZE, why, sizeof(why))) {
        p->fdt = (struct range){loader, loader + fdt.size};
        read_tree(p, &fdt, el);
    } else {
        read_board(p, loader, image, el, why);
    }
    mailbox_init(p->devices.mailbox, p->devices.mailbox_bus);
    pi_raise_clock(); // may change the clock that the console's speed is divided from
    pi_console_init(&p->devices);
    uart_init(&p->devices.uart);             // from here on panic() can speak
    if (p->devices.gpio.kind != GPIO_NONE) { // a Pi whose VideoCore takes part of the first GiB
        cut_first_gib(p);
    }
    if (p->overflow != NULL) {
        panic("platform: the device tree has more than %d ranges of %s", PLATFORM_MAX_RANGES,
              p->overflow);
    }
    tidy_ram(p);
    p->n_cpu = p->n_cpu > 0 ? p->n_cpu : 1; // this one
}
