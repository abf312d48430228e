// Boards as data: what a device tree would say, for when there is none (gen/board.h has the rows).
#pragma once

#include "arch/secondary.h"
#include "dev/gpio_bcm2835.h"
#include "dev/sdhci.h"
#include "dev/uart.h"
#include "lib/fdt.h"

#define BOARD_MAX_COMPATIBLES 4
#define BOARD_MAX_RANGES      4
#define BOARD_MAX_PI_MODELS   8
#define MAX_SD_HOSTS          2

// [start, end)
struct range {
    paddr_t start, end;
};

enum intc_kind { INTC_NONE, INTC_GIC_V2, INTC_BCM2836, INTC_GIC_V3 };

// Where the devices are that this kernel has drivers for; 0: there is none.
struct devices {
    struct uart uart;
    unsigned uart_irq; // of the interrupt controller below; 0: none that we can wait for
    struct {
        enum intc_kind kind;
        // GICv2: distributor, CPU interface; GICv3: distributor, redistributors; BCM2836: local,
        // shared.
        paddr_t first, second;
    } intc;
    paddr_t mailbox;
    uint64_t mailbox_bus; // added to our addresses, they are the VideoCore's
    paddr_t pm;
    struct {
        enum gpio_kind kind;
        paddr_t base;
    } gpio;
    struct sd_host sd[MAX_SD_HOSTS]; // in the order in which a card is looked for
};

// Text inside the row: pointers would need relocations.
struct board {
    char name[24], title[40];
    char compatible[BOARD_MAX_COMPATIBLES][32]; // the root node's; "": no more
    unsigned entry_el;
    unsigned cpu_part;                      // of MIDR_EL1; 0: any
    uint8_t pi_models[BOARD_MAX_PI_MODELS]; // board types of a Pi's revision code
    struct range ram[BOARD_MAX_RANGES];     // of its smallest version
    int n_cpu;
    enum cpu_method cpu_method;
    uint64_t cpu_stride; // from one CPU's MPIDR to the next
    paddr_t spin_table;  // the first CPU's word in it
    struct devices devices;
};

// The board that these are facts of, NULL: none that we know. By the device tree's root node, the
// most specific of the names that it is `compatible` with; by where the image was loaded, and by
// which CPU. el: entered at.
const struct board *board_of_tree(struct fdt_property compatible, unsigned el);
const struct board *board_of_place(paddr_t image, unsigned cpu_part, unsigned el);

// The board of a Pi's revision code, else `otherwise`.
const struct board *board_of_revision(uint32_t revision, const struct board *otherwise);
