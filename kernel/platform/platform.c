// What the FDT says about this machine; where it is silent, what the board definition says.
#include "platform/platform.h"

#include "arch/mmu.h"
#include "dev/uart_pl011.h"
#include "gen/board.h"
#include "lib/fdt.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "platform/bootargs.h"

#define GIC_SPI       0  // first cell of an interrupt: shared
#define GIC_SPI_FIRST 32 // interrupt id of SPI 0

static bool starts_with(const char *s, const char *prefix)
{
    while (*prefix != '\0') {
        if (*s++ != *prefix++) {
            return false;
        }
    }
    return true;
}

static bool is_equal(const char *a, const char *b)
{
    return starts_with(a, b) && strlen(a) == strlen(b);
}

static void add_range(const char *what, struct range *ranges, int *n, paddr_t start, uint64_t size)
{
    const paddr_t end = start + size < start ? UINT64_MAX : start + size;
    if (size == 0) {
        return;
    }
    if (*n == PLATFORM_MAX_RANGES) {
        panic("platform: the device tree has more than %d ranges of %s", PLATFORM_MAX_RANGES, what);
    }
    ranges[(*n)++] = (struct range){start, end};
}

static void add_regs(const char *what, const struct fdt *fdt, const struct fdt_node *node,
                     struct range *ranges, int *n)
{
    uint64_t address, size;
    for (uint32_t i = 0; fdt_reg(fdt, node, i, &address, &size); i++) {
        add_range(what, ranges, n, address, size);
    }
}

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

static void read_chosen(struct platform *p, const struct fdt *fdt, int chosen)
{
    // One cell or two, as the loader liked it.
    const struct fdt_property start = fdt_get(fdt, chosen, "linux,initrd-start");
    const struct fdt_property end = fdt_get(fdt, chosen, "linux,initrd-end");
    uint32_t at_start = 0, at_end = 0;
    struct range initrd;
    if (fdt_cells(start, &at_start, start.size / 4, &initrd.start) &&
        fdt_cells(end, &at_end, end.size / 4, &initrd.end) && initrd.start < initrd.end) {
        p->initrd = initrd;
    } else if (bootargs_initrd(fdt_string(fdt_get(fdt, chosen, "bootargs")), &initrd)) {
        p->initrd = initrd;
    }
}

static void read_board_ram(struct platform *p)
{
    static const uint64_t ram[][2] = {BOARD_RAM}; // base, size
    for (size_t i = 0; i < ARRAY_SIZE(ram); i++) {
        add_range("RAM", p->ram, &p->n_ram, ram[i][0], ram[i][1]);
    }
}

static void read_uart(struct platform *p, const struct fdt *fdt, const struct fdt_node *node)
{
    uint64_t address, size, type, number;
    if (!fdt_reg(fdt, node, 0, &address, &size)) {
        return;
    }
    p->uart = address;
    p->uart_irq = 0;
    const struct fdt_property interrupts = fdt_get(fdt, node->offset, "interrupts");
    uint32_t cursor = 0;
    // Three cells are a GIC's: type, number, flags.
    if (interrupts.size == 12 && fdt_cells(interrupts, &cursor, 1, &type) &&
        fdt_cells(interrupts, &cursor, 1, &number) && type == GIC_SPI &&
        number < 1020 - GIC_SPI_FIRST) {
        p->uart_irq = GIC_SPI_FIRST + (unsigned)number;
    }
}

static void read_gic(struct platform *p, const struct fdt *fdt, const struct fdt_node *node)
{
    uint64_t distributor, cpu_interface, size;
    if (fdt_reg(fdt, node, 0, &distributor, &size) &&
        fdt_reg(fdt, node, 1, &cpu_interface, &size)) {
        p->gicd = distributor;
        p->gicc = cpu_interface;
    }
}

// Does stdout-path (`/pl011@9000000`, `serial0:115200n8`, a path or an alias, then options) name
// this node? Paths are compared by their last part.
static bool is_stdout(const struct fdt *fdt, int chosen, int aliases, const char *name)
{
    const char *path = fdt_string(fdt_get(fdt, chosen, "stdout-path"));
    char alias[32];
    if (*path != '/') {
        size_t n = 0;
        for (; path[n] != '\0' && path[n] != ':' && n < sizeof(alias) - 1; n++) {
            alias[n] = path[n];
        }
        alias[n] = '\0';
        path = fdt_string(fdt_get(fdt, aliases, alias));
    }
    const char *last = path;
    for (; *path != '\0' && *path != ':'; path++) {
        if (*path == '/') {
            last = path + 1;
        }
    }
    const size_t n = (size_t)(path - last);
    return n > 0 && n == strlen(name) && memcmp(last, name, n) == 0;
}

// Without `reg` the range is still to be chosen, by an operating system that wants one.
static void read_reserved(struct platform *p, const struct fdt *fdt, const struct fdt_node *node)
{
    if (!fdt_is_enabled(fdt, node->offset)) {
        return;
    }
    if (fdt_get(fdt, node->offset, "no-map").data != NULL) {
        add_regs("memory not to be mapped", fdt, node, p->no_map, &p->n_no_map);
    } else if (fdt_get(fdt, node->offset, "reusable").data == NULL) { // ours until a driver asks
        add_regs("reserved memory", fdt, node, p->reserved, &p->n_reserved);
    }
}

static void read_reservation_map(struct platform *p, const struct fdt *fdt)
{
    uint64_t address, size;
    for (uint32_t i = 0; fdt_reservation(fdt, i, &address, &size); i++) {
        add_range("reserved memory", p->reserved, &p->n_reserved, address, size);
    }
}

static uint64_t all_cells(struct fdt_property property)
{
    uint32_t cursor = 0;
    uint64_t value = 0;
    fdt_cells(property, &cursor, property.size / 4, &value);
    return value;
}

// `reg` is an MPIDR, not an address: it is not translated. The method may stand at the parent for
// all. A `disabled` CPU waits to be started; one that failed is none.
static void read_cpu(struct platform *p, const struct fdt *fdt, const struct fdt_node *node)
{
    if (starts_with(fdt_string(fdt_get(fdt, node->offset, "status")), "fail")) {
        return;
    }
    if (p->n_cpu++ >= CPU_MAX) {
        return;
    }
    struct fdt_property method = fdt_get(fdt, node->offset, "enable-method");
    if (method.data == NULL) {
        method = fdt_get(fdt, node->path[1], "enable-method");
    }
    struct cpu *cpu = &p->cpus[p->n_cpu - 1];
    cpu->mpidr = all_cells(fdt_get(fdt, node->offset, "reg"));
    cpu->release = all_cells(fdt_get(fdt, node->offset, "cpu-release-addr"));
    if (is_equal(fdt_string(method), "psci")) {
        cpu->method = CPU_METHOD_PSCI;
    } else if (is_equal(fdt_string(method), "spin-table") && cpu->release != 0 &&
               IS_ALIGNED(cpu->release, 8)) {
        cpu->method = CPU_METHOD_SPIN_TABLE;
    }
}

// Nodes that are read after the walk, or that say how to read others.
struct landmarks {
    int chosen, aliases, reserved_memory;
    bool uart_found, uart_is_stdout;
};

static void read_node(struct platform *p, const struct fdt *fdt, const struct fdt_node *node,
                      struct landmarks *at)
{
    const int offset = node->offset;
    const char *name = node->name;
    if (node->depth == 1 && (is_equal(name, "memory") || starts_with(name, "memory@"))) {
        if (fdt_is_enabled(fdt, offset)) {
            add_regs("RAM", fdt, node, p->ram, &p->n_ram);
        }
    } else if (node->depth == 1 && starts_with(name, "psci")) {
        const char *method = fdt_string(fdt_get(fdt, offset, "method"));
        p->psci = starts_with(method, "hvc")   ? PSCI_HVC
                  : starts_with(method, "smc") ? PSCI_SMC
                                               : PSCI_NONE;
    } else if (node->depth == 2 && starts_with(name, "cpu@")) {
        read_cpu(p, fdt, node);
    } else if (node->depth == 2 && node->path[1] == at->reserved_memory) {
        read_reserved(p, fdt, node);
    } else if (fdt_is_compatible(fdt, offset, "arm,pl011") && fdt_is_enabled(fdt, offset)) {
        const bool is_console = is_stdout(fdt, at->chosen, at->aliases, name);
        if (!at->uart_found || (is_console && !at->uart_is_stdout)) {
            read_uart(p, fdt, node);
            at->uart_found = true;
            at->uart_is_stdout = is_console;
        }
    } else if (fdt_is_compatible(fdt, offset, "arm,cortex-a15-gic") ||
               fdt_is_compatible(fdt, offset, "arm,gic-400")) {
        read_gic(p, fdt, node);
    }
}

static void read_fdt(struct platform *p, const struct fdt *fdt)
{
    struct landmarks at = {FDT_NONE, FDT_NONE, FDT_NONE, false, false};
    struct fdt_node node = {0};
    while (fdt_next(fdt, &node)) {
        if (node.depth != 1) {
            continue;
        }
        at.chosen = is_equal(node.name, "chosen") ? node.offset : at.chosen;
        at.aliases = is_equal(node.name, "aliases") ? node.offset : at.aliases;
        at.reserved_memory =
            is_equal(node.name, "reserved-memory") ? node.offset : at.reserved_memory;
    }
    for (node = (struct fdt_node){0}; fdt_next(fdt, &node);) {
        read_node(p, fdt, &node, &at);
    }
    read_chosen(p, fdt, at.chosen);
    read_reservation_map(p, fdt);
}

void platform_init(struct platform *p, paddr_t fdt_address)
{
    *p = (struct platform){.psci = PSCI_NONE};
    p->uart = BOARD_UART_BASE;
    p->uart_irq = BOARD_UART_IRQ;
    struct fdt fdt;
    if (fdt_open(&fdt, (const void *)fdt_address, FDT_MAX_SIZE)) {
        p->fdt = (struct range){fdt_address, fdt_address + fdt.size};
        read_fdt(p, &fdt);
    } else {
        p->gicd = BOARD_GICD_BASE;
        p->gicc = BOARD_GICC_BASE;
    }
    if (p->n_ram == 0) {
        read_board_ram(p);
    }
    tidy_ram(p);
    p->n_cpu = p->n_cpu > 0 ? p->n_cpu : 1; // this one
    if (p->uart != BOARD_UART_BASE) {
        uart_init(p->uart);
    }
}
