// What the device tree says about this machine.
#include "platform/from_fdt.h"

#include "lib/text.h"
#include "platform/bootargs.h"
#include "platform/fdt_devices.h"

void platform_add_range(struct platform *p, const char *what, struct range *ranges, int *n,
                        paddr_t start, uint64_t size)
{
    const paddr_t end = start + size < start ? UINT64_MAX : start + size;
    if (size == 0) {
        return;
    }
    if (*n == PLATFORM_MAX_RANGES) {
        p->overflow = what;
        return;
    }
    ranges[(*n)++] = (struct range){start, end};
}

static void add_regs(struct platform *p, const char *what, const struct fdt *fdt,
                     const struct fdt_node *node, struct range *ranges, int *n)
{
    uint64_t address, size;
    for (uint32_t i = 0; fdt_reg(fdt, node, i, &address, &size); i++) {
        platform_add_range(p, what, ranges, n, address, size);
    }
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

// Without `reg` the range is still to be chosen, by an operating system that wants one.
static void read_reserved(struct platform *p, const struct fdt *fdt, const struct fdt_node *node)
{
    if (!fdt_is_enabled(fdt, node->offset)) {
        return;
    }
    if (fdt_get(fdt, node->offset, "no-map").data != NULL) {
        add_regs(p, "memory not to be mapped", fdt, node, p->no_map, &p->n_no_map);
    } else if (fdt_get(fdt, node->offset, "reusable").data == NULL) { // ours until a driver asks
        add_regs(p, "reserved memory", fdt, node, p->reserved, &p->n_reserved);
    }
}

static void read_reservation_map(struct platform *p, const struct fdt *fdt)
{
    uint64_t address, size;
    for (uint32_t i = 0; fdt_reservation(fdt, i, &address, &size); i++) {
        platform_add_range(p, "reserved memory", p->reserved, &p->n_reserved, address, size);
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
    if (text_starts_with(fdt_string(fdt_get(fdt, node->offset, "status")), "fail")) {
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
    if (text_is_equal(fdt_string(method), "psci")) {
        cpu->method = CPU_METHOD_PSCI;
    } else if (text_is_equal(fdt_string(method), "spin-table") && cpu->release != 0 &&
               IS_ALIGNED(cpu->release, 8)) {
        cpu->method = CPU_METHOD_SPIN_TABLE;
    }
}

static void read_node(struct platform *p, const struct fdt *fdt, const struct fdt_node *node,
                      const struct fdt_landmarks *at, struct fdt_uarts *uarts)
{
    const int offset = node->offset;
    const char *name = node->name;
    if (node->depth == 1 && (text_is_equal(name, "memory") || text_starts_with(name, "memory@"))) {
        if (fdt_is_enabled(fdt, offset)) {
            add_regs(p, "RAM", fdt, node, p->ram, &p->n_ram);
        }
    } else if (node->depth == 1 && text_starts_with(name, "psci")) {
        const char *method = fdt_string(fdt_get(fdt, offset, "method"));
        p->psci = text_starts_with(method, "hvc")   ? PSCI_HVC
                  : text_starts_with(method, "smc") ? PSCI_SMC
                                                    : PSCI_NONE;
    } else if (node->depth == 2 && text_starts_with(name, "cpu@")) {
        read_cpu(p, fdt, node);
    } else if (node->depth == 2 && node->path[1] == at->reserved_memory) {
        read_reserved(p, fdt, node);
    } else {
        fdt_read_device(&p->devices, fdt, node, at, uarts);
    }
}

bool platform_from_fdt(struct platform *p, const struct fdt *fdt)
{
    struct fdt_landmarks at = {FDT_NONE, FDT_NONE, FDT_NONE};
    struct fdt_uarts uarts = {.any = {.uart = {.kind = UART_NONE}}};
    struct fdt_node node = {0};
    while (fdt_next(fdt, &node)) {
        if (node.depth != 1) {
            continue;
        }
        at.chosen = text_is_equal(node.name, "chosen") ? node.offset : at.chosen;
        at.aliases = text_is_equal(node.name, "aliases") ? node.offset : at.aliases;
        at.reserved_memory =
            text_is_equal(node.name, "reserved-memory") ? node.offset : at.reserved_memory;
    }
    for (node = (struct fdt_node){0}; fdt_next(fdt, &node);) {
        read_node(p, fdt, &node, &at, &uarts);
    }
    fdt_choose_uart(&p->devices, &uarts);
    read_chosen(p, fdt, at.chosen);
    read_reservation_map(p, fdt);
    return node.whole;
}
