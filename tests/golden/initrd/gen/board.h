// Boards, for when there is no device tree (platform/board.h has the type). Generated; do not edit.
#pragma once

#define BOARDS \
    {.name = "virt", .title = "QEMU virt", \
     .compatible = {"linux,dummy-virt"}, \
     .entry_el = 1, .cpu_part = 0x0ull, .n_cpu = 1, \
     .cpu_method = CPU_METHOD_PSCI, .cpu_stride = 1, .spin_table = 0x0ull, \
     .ram = {{0x40000000ull, 0x60000000ull}}, \
     .devices = { \
         .uart = {UART_PL011, 0x9000000ull, 0, 1}, .uart_irq = 33, \
         .intc = {INTC_GIC_V2, 0x8000000ull, 0x8010000ull}, \
     }}, \
    {.name = "virt-el2", .title = "QEMU virt", \
     .compatible = {"linux,dummy-virt"}, \
     .entry_el = 2, .cpu_part = 0x0ull, .n_cpu = 1, \
     .cpu_method = CPU_METHOD_PSCI, .cpu_stride = 1, .spin_table = 0x0ull, \
     .ram = {{0x40000000ull, 0x60000000ull}}, \
     .devices = { \
         .uart = {UART_PL011, 0x9000000ull, 0, 1}, .uart_irq = 33, \
         .intc = {INTC_GIC_V2, 0x8000000ull, 0x8010000ull}, \
     }}, \
    {.name = "pi-zero-2w", .title = "Raspberry Pi Zero 2 W", \
     .compatible = {"raspberrypi,model-zero-2-w"}, \
     .entry_el = 2, .cpu_part = 0xd03ull, .n_cpu = 4, \
     .cpu_method = CPU_METHOD_SPIN_TABLE, .cpu_stride = 1, .spin_table = 0xd8ull, \
     .ram = {{0x0ull, 0x1c000000ull}}, \
     .pi_models = {18}, \
     .devices = { \
         .uart = {UART_PL011, 0x3f201000ull, 0, 1}, .uart_irq = 89, \
         .intc = {INTC_BCM2836, 0x40000000ull, 0x3f00b200ull}, \
         .mailbox = 0x3f00b880ull, .mailbox_bus = 0xc0000000ull, .pm = 0x3f100000ull, \
         .gpio = {GPIO_BCM2835, 0x3f200000ull}, \
         .sd = {{SD_HOST_ARASAN, 0x3f300000ull}}, \
     }}, \
    {.name = "pi5", .title = "Raspberry Pi 5", \
     .compatible = {"raspberrypi,5-model-b", "raspberrypi,500", "raspberrypi,5-compute-module", "brcm,bcm2712"}, \
     .entry_el = 2, .cpu_part = 0xd0bull, .n_cpu = 4, \
     .cpu_method = CPU_METHOD_PSCI, .cpu_stride = 256, .spin_table = 0x0ull, \
     .ram = {{0x80000ull, 0x3fc00000ull}, {0x40000000ull, 0x80000000ull}}, \
     .pi_models = {23, 24, 25, 26}, \
     .devices = { \
         .uart = {UART_PL011, 0x107d001000ull, 0, 1}, .uart_irq = 153, \
         .intc = {INTC_GIC_V2, 0x107fff9000ull, 0x107fffa000ull}, \
         .mailbox = 0x107c013880ull, .mailbox_bus = 0x0ull, .pm = 0x107d200000ull, \
         .gpio = {GPIO_NONE, 0x0ull}, \
     }}, \
    {.name = "raspi3b", .title = "Raspberry Pi 3", \
     .compatible = {"raspberrypi,3-model-b", "raspberrypi,3-model-b-plus", "raspberrypi,3-model-a-plus", "brcm,bcm2837"}, \
     .entry_el = 2, .cpu_part = 0xd03ull, .n_cpu = 4, \
     .cpu_method = CPU_METHOD_SPIN_TABLE, .cpu_stride = 1, .spin_table = 0xd8ull, \
     .ram = {{0x0ull, 0x3b400000ull}}, \
     .pi_models = {8, 13, 14, 10, 16}, \
     .devices = { \
         .uart = {UART_PL011, 0x3f201000ull, 0, 1}, .uart_irq = 89, \
         .intc = {INTC_BCM2836, 0x40000000ull, 0x3f00b200ull}, \
         .mailbox = 0x3f00b880ull, .mailbox_bus = 0xc0000000ull, .pm = 0x3f100000ull, \
         .gpio = {GPIO_BCM2835, 0x3f200000ull}, \
         .sd = {{SD_HOST_ARASAN, 0x3f300000ull}}, \
     }}, \
    {.name = "raspi4b", .title = "Raspberry Pi 4", \
     .compatible = {"raspberrypi,4-model-b", "raspberrypi,400", "raspberrypi,4-compute-module", "brcm,bcm2711"}, \
     .entry_el = 2, .cpu_part = 0xd08ull, .n_cpu = 4, \
     .cpu_method = CPU_METHOD_SPIN_TABLE, .cpu_stride = 1, .spin_table = 0xd8ull, \
     .ram = {{0x0ull, 0x3b400000ull}}, \
     .pi_models = {17, 19, 20, 21}, \
     .devices = { \
         .uart = {UART_PL011, 0xfe201000ull, 0, 1}, .uart_irq = 153, \
         .intc = {INTC_GIC_V2, 0xff841000ull, 0xff842000ull}, \
         .mailbox = 0xfe00b880ull, .mailbox_bus = 0xc0000000ull, .pm = 0xfe100000ull, \
         .gpio = {GPIO_BCM2711, 0xfe200000ull}, \
         .sd = {{SD_HOST_SDHCI, 0xfe340000ull}, {SD_HOST_ARASAN, 0xfe300000ull}}, \
     }}, \
    {.name = "rk3588", .title = "RK3588", \
     .compatible = {"rockchip,rk3588", "rockchip,rk3588s"}, \
     .entry_el = 2, .cpu_part = 0xd05ull, .n_cpu = 8, \
     .cpu_method = CPU_METHOD_PSCI, .cpu_stride = 256, .spin_table = 0x0ull, \
     .ram = {{0x200000ull, 0xf0000000ull}}, \
     .devices = { \
         .uart = {UART_8250, 0xfeb50000ull, 2, 4}, .uart_irq = 0, \
     }},
