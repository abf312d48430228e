// Board facts for when the FDT is silent: virt. Generated; do not edit.
#pragma once

#define BOARD_NAME "virt"
#define BOARD_TITLE "QEMU virt" // what people call it
#define BOARD_UART_BASE 0x9000000ull // pl011
#define BOARD_UART_IRQ 33 // GIC interrupt id
#define BOARD_GICD_BASE 0x8000000ull
#define BOARD_GICC_BASE 0x8010000ull
#define BOARD_RAM {0x40000000ull, 0x20000000ull} // base, size of each range: --ram, or what the board has
