// Which devices that we have drivers for does the tree name, and where?
#include "platform/fdt_devices.h"

#include "lib/string.h"
#include "lib/text.h"

#define GIC_SPI       0  // first cell of an interrupt: shared
#define GIC_SPI_FIRST 32 // interrupt id of SPI 0
#define GIC_END       1020

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

// The first of its kind, unless stdout-path names another one.
static void consider(struct fdt_uart *best, const struct fdt_uart *other)
{
    if (best->uart.kind == UART_NONE || (other->is_stdout && !best->is_stdout)) {
        *best = *other;
    }
}

static uint32_t one_cell(const struct fdt *fdt, int offset, const char *name, uint32_t otherwise)
{
    uint32_t cursor = 0;
    uint64_t value = otherwise;
    fdt_cells(fdt_get(fdt, offset, name), &cursor, 1, &value);
    return (uint32_t)value;
}

// As the interrupt controllers that we have drivers for count: a GIC's interrupt id, or 32 times
// the bank of a BCM2836's, plus the number.
static unsigned read_irq(const struct fdt *fdt, int offset)
{
    const struct fdt_property interrupts = fdt_get(fdt, offset, "interrupts");
    uint32_t cursor = 0;
    uint64_t first, number;
    if (!fdt_cells(interrupts, &cursor, 1, &first) || !fdt_cells(interrupts, &cursor, 1, &number)) {
        return 0;
    }
    if (interrupts.size == 8) { // bank, number
        return first <= 2 && number < 32 ? (unsigned)(32 * first + number) : 0;
    }
    // Three cells are a GIC's, four a GICv3's: type, number, flags.
    const bool is_gic = interrupts.size == 12 || interrupts.size == 16;
    const bool is_shared = first == GIC_SPI && number < GIC_END - GIC_SPI_FIRST;
    return is_gic && is_shared ? GIC_SPI_FIRST + (unsigned)number : 0;
}

// What a tree can ask of the 8250's driver; the others' registers lie as their makers have them.
static bool has_known_registers(const struct uart *uart)
{
    return uart->kind != UART_8250 ||
           (uart->reg_shift <= 2 && (uart->reg_width == 1 || uart->reg_width == 4));
}

enum device {
    DEVICE_PL011,
    DEVICE_8250,
    DEVICE_MINI_UART,
    DEVICE_GIC_V2,
    DEVICE_GIC_V3,
    DEVICE_BCM2836_LOCAL,
    DEVICE_BCM2836_SHARED,
    DEVICE_MAILBOX,
    DEVICE_PM,
    DEVICE_GPIO_BCM2835,
    DEVICE_GPIO_BCM2711,
    DEVICE_EMMC2,
    DEVICE_ARASAN,
};

// Text inside the table: a table of pointers would need relocations.
static const struct {
    char compatible[25];
    uint8_t device;
} drivers[] = {
    {"arm,pl011", DEVICE_PL011},
    {"snps,dw-apb-uart", DEVICE_8250},
    {"ns16550a", DEVICE_8250},
    {"brcm,bcm2835-aux-uart", DEVICE_MINI_UART},
    {"arm,cortex-a15-gic", DEVICE_GIC_V2},
    {"arm,gic-400", DEVICE_GIC_V2},
    {"arm,gic-v3", DEVICE_GIC_V3},
    {"brcm,bcm2836-l1-intc", DEVICE_BCM2836_LOCAL},
    {"brcm,bcm2836-armctrl-ic", DEVICE_BCM2836_SHARED},
    {"brcm,bcm2835-mbox", DEVICE_MAILBOX},
    {"brcm,bcm2835-pm-wdt", DEVICE_PM},
    {"brcm,bcm2835-gpio", DEVICE_GPIO_BCM2835},
    {"brcm,bcm2711-gpio", DEVICE_GPIO_BCM2711},
    {"brcm,bcm2711-emmc2", DEVICE_EMMC2},
    {"brcm,bcm2835-sdhci", DEVICE_ARASAN},
};

// By the most specific of the names in `compatible` that a driver has.
static int driver_of(const struct fdt *fdt, int offset)
{
    const struct fdt_property list = fdt_get(fdt, offset, "compatible");
    uint32_t cursor = 0;
    const char *name;
    while ((name = fdt_next_string(list, &cursor)) != NULL) {
        for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
            if (text_is_equal(name, drivers[i].compatible)) {
                return drivers[i].device;
            }
        }
    }
    return -1;
}

// The second range: the CPU interface, or the first redistributors.
static void read_gic(struct devices *devices, enum intc_kind kind, const struct fdt *fdt,
                     const struct fdt_node *node, paddr_t distributor)
{
    uint64_t second, size;
    if (fdt_reg(fdt, node, 1, &second, &size)) {
        devices->intc.kind = kind;
        devices->intc.first = distributor;
        devices->intc.second = second;
    }
}

// Both halves, in either order; a GIC is better, where a chip has both.
static void read_bcm2836(struct devices *devices, paddr_t *half, paddr_t address)
{
    if (devices->intc.kind == INTC_GIC_V2 || devices->intc.kind == INTC_GIC_V3) {
        return;
    }
    *half = address;
    const bool is_whole = devices->intc.first != 0 && devices->intc.second != 0;
    devices->intc.kind = is_whole ? INTC_BCM2836 : INTC_NONE;
}

void fdt_read_device(struct devices *devices, const struct fdt *fdt, const struct fdt_node *node,
                     const struct fdt_landmarks *at, struct fdt_uarts *uarts)
{
    const int device = driver_of(fdt, node->offset);
    uint64_t address, size;
    if (device < 0 || !fdt_is_enabled(fdt, node->offset) ||
        !fdt_reg(fdt, node, 0, &address, &size)) {
        return;
    }
    struct fdt_uart uart = {.uart = {.base = address}};
    switch ((enum device)device) {
    case DEVICE_PL011:
    case DEVICE_8250:
    case DEVICE_MINI_UART:
        uart.uart.kind = device == DEVICE_PL011  ? UART_PL011
                         : device == DEVICE_8250 ? UART_8250
                                                 : UART_BCM2835_MINI;
        uart.uart.reg_shift = one_cell(fdt, node->offset, "reg-shift", 0);
        uart.uart.reg_width = one_cell(fdt, node->offset, "reg-io-width", 1);
        if (!has_known_registers(&uart.uart)) {
            break;
        }
        uart.irq = read_irq(fdt, node->offset);
        uart.is_stdout = is_stdout(fdt, at->chosen, at->aliases, node->name);
        consider(&uarts->any, &uart);
        if (device == DEVICE_PL011) {
            consider(&uarts->pl011, &uart);
        }
        break;
    case DEVICE_GIC_V2:
        read_gic(devices, INTC_GIC_V2, fdt, node, address);
        break;
    case DEVICE_GIC_V3:
        read_gic(devices, INTC_GIC_V3, fdt, node, address);
        break;
    case DEVICE_BCM2836_LOCAL:
        read_bcm2836(devices, &devices->intc.first, address);
        break;
    case DEVICE_BCM2836_SHARED:
        read_bcm2836(devices, &devices->intc.second, address);
        break;
    case DEVICE_MAILBOX:
        devices->mailbox = address;
        devices->mailbox_bus = fdt_dma_offset(fdt, node);
        break;
    case DEVICE_PM:
        devices->pm = address;
        break;
    case DEVICE_GPIO_BCM2835:
    case DEVICE_GPIO_BCM2711:
        devices->gpio.kind = device == DEVICE_GPIO_BCM2835 ? GPIO_BCM2835 : GPIO_BCM2711;
        devices->gpio.base = address;
        break;
    case DEVICE_EMMC2: // where a board has it, the card is there
        devices->sd[0] = (struct sd_host){SD_HOST_SDHCI, address};
        break;
    case DEVICE_ARASAN:
        devices->sd[1] = (struct sd_host){SD_HOST_ARASAN, address};
        break;
    }
}

void fdt_choose_uart(struct devices *devices, const struct fdt_uarts *uarts)
{
    const bool is_pi = devices->gpio.kind != GPIO_NONE;
    const struct fdt_uart *chosen =
        is_pi && uarts->pl011.uart.kind != UART_NONE ? &uarts->pl011 : &uarts->any;
    devices->uart = chosen->uart;
    devices->uart_irq = chosen->irq;
}
