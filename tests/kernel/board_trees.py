"""Device trees of boards, made here: of each what the kernel reads, in the shape of the real ones.

After Linux's arch/arm64/boot/dts (broadcom, rockchip): addresses behind `ranges`, cells of one
width here and of another there, MPIDRs that count in Aff0 or Aff1.
"""

from collections.abc import Callable
from typing import Final

from tests.kernel.device_tree import Node, Value, write_device_tree

# Types of interrupt and their flags: a GIC's three or four cells.
SPI, LEVEL_HIGH = 0, 4


def device(name: str, compatible: str, *reg: int, **more: Value) -> Node:
    return Node(name, {"compatible": compatible, "reg": list(reg), **more})


def spin_table_cpus(cpu: str, *, n_cells: int) -> Node:
    """Four CPUs that wait in the loop of the firmware's armstub8."""
    cpus = [
        Node(
            f"cpu@{i}",
            {
                "device_type": "cpu",
                "compatible": cpu,
                "reg": [i],
                "enable-method": "spin-table",
                "cpu-release-addr": [0, 0xD8 + 8 * i],
            },
        )
        for i in range(4)
    ]
    return Node("cpus", {"#address-cells": [n_cells], "#size-cells": [0]}, cpus)


def psci_cpus(mpidrs: list[int], *, n_cells: int) -> Node:
    cpus = [
        Node(
            f"cpu@{mpidr:x}",
            {
                "device_type": "cpu",
                "reg": [0] * (n_cells - 1) + [mpidr],
                "enable-method": "psci",
            },
        )
        for mpidr in mpidrs
    ]
    return Node("cpus", {"#address-cells": [n_cells], "#size-cells": [0]}, cpus)


def psci(method: str) -> Node:
    return Node("psci", {"compatible": b"arm,psci-1.0\0arm,psci-0.2\0", "method": method})


def pi_devices(*irqs: list[int], gpio: str, pl011: str) -> list[Node]:
    """What a Pi 3 and a Pi 4 have at the same bus addresses. irqs: of PL011 and mini UART."""
    return [
        device("mailbox@7e00b880", "brcm,bcm2835-mbox", 0x7E00_B880, 0x40),
        device("watchdog@7e100000", "brcm,bcm2835-pm-wdt", 0x7E10_0000, 0x28),
        device("gpio@7e200000", gpio, 0x7E20_0000, 0xB4),
        device("serial@7e201000", "arm,pl011", 0x7E20_1000, 0x200, interrupts=irqs[0],
               status=pl011),
        device("serial@7e215040", "brcm,bcm2835-aux-uart", 0x7E21_5040, 0x40, interrupts=irqs[1]),
        device("mmc@7e300000", "brcm,bcm2835-sdhci", 0x7E30_0000, 0x100),
    ]  # fmt: skip


def pi_chosen() -> list[Node]:
    """Linux's trees name the mini UART."""
    return [
        Node("aliases", {"serial1": "/soc/serial@7e215040"}),
        Node("chosen", {"stdout-path": "serial1:115200n8"}),
    ]


def raspi3b(
    *,
    compatible: Value = b"raspberrypi,3-model-b\0brcm,bcm2837\0",
    model: str = "Raspberry Pi 3 Model B",
    pl011: str = "okay",
) -> Node:
    """One cell for each address and size. The root's names; pl011: its `status`."""
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [1]}
    ranges = [0x7E00_0000, 0x3F00_0000, 0x100_0000, 0x4000_0000, 0x4000_0000, 0x1000]
    dma = [0xC000_0000, 0, 0x3F00_0000]
    soc = Node(
        "soc",
        narrow | {"compatible": "simple-bus", "ranges": ranges, "dma-ranges": dma},
        [
            *pi_devices([2, 25], [1, 29], gpio="brcm,bcm2835-gpio", pl011=pl011),
            device("interrupt-controller", "brcm,bcm2836-armctrl-ic", 0x7E00_B200, 0x200),
            device("local_intc@40000000", "brcm,bcm2836-l1-intc", 0x4000_0000, 0x100),
        ],
    )
    memory = Node("memory@0", {"device_type": "memory", "reg": [0, 0x4000_0000]})
    cpus = spin_table_cpus("arm,cortex-a53", n_cells=1)
    root = narrow | {"compatible": compatible, "model": model}
    return Node("", root, [*pi_chosen(), memory, cpus, soc])


def raspi4b() -> Node:
    """Two cells for an address, one for a size; two buses."""
    wide: dict[str, Value] = {"#address-cells": [2], "#size-cells": [1]}
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [1]}
    ranges = [0x7E00_0000, 0, 0xFE00_0000, 0x180_0000, 0x4000_0000, 0, 0xFF80_0000, 0x80_0000]
    dma = [0xC000_0000, 0, 0, 0x4000_0000]
    gic = [0x4004_1000, 0x1000, 0x4004_2000, 0x2000]
    soc = Node(
        "soc",
        narrow | {"compatible": "simple-bus", "ranges": ranges, "dma-ranges": dma},
        [
            *pi_devices(
                [SPI, 121, LEVEL_HIGH], [SPI, 93, LEVEL_HIGH],
                gpio="brcm,bcm2711-gpio", pl011="okay",
            ),
            device("interrupt-controller@40041000", "arm,gic-400", *gic),
        ],
    )  # fmt: skip
    emmc2 = device("mmc@7e340000", "brcm,bcm2711-emmc2", 0, 0x7E34_0000, 0x100)
    bus = Node("emmc2bus", wide | {"ranges": [0, 0x7E00_0000, 0, 0xFE00_0000, 0x180_0000]}, [emmc2])
    memory = Node("memory@0", {"device_type": "memory", "reg": [0, 0, 0x3B40_0000]})
    cpus = spin_table_cpus("arm,cortex-a72", n_cells=1)
    names = b"raspberrypi,4-model-b\0brcm,bcm2711\0"
    root = wide | {"compatible": names, "model": "Raspberry Pi 4 Model B"}
    return Node("", root, [*pi_chosen(), memory, cpus, soc, bus])


def pi5() -> Node:
    """Registers above 4 GiB; MPIDRs that count in Aff1."""
    wide: dict[str, Value] = {"#address-cells": [2], "#size-cells": [2]}
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [1]}
    uart = device("serial@7d001000", "arm,pl011", 0x7D00_1000, 0x200,
                  interrupts=[SPI, 121, LEVEL_HIGH])  # fmt: skip
    ranges = [0x7C00_0000, 0x10, 0x7C00_0000, 0x400_0000]
    soc = Node(
        "soc@107c000000",
        narrow | {"compatible": "simple-bus", "ranges": ranges},
        [
            uart,
            device("mailbox@7c013880", "brcm,bcm2835-mbox", 0x7C01_3880, 0x40),
            device("watchdog@7d200000", "brcm,bcm2835-pm-wdt", 0x7D20_0000, 0x308),
            device("interrupt-controller@7fff9000", "arm,gic-400",
                   0x7FFF_9000, 0x1000, 0x7FFF_A000, 0x2000),
        ],
    )  # fmt: skip
    names = b"raspberrypi,5-model-b\0brcm,bcm2712\0"
    root = wide | {"compatible": names, "model": "Raspberry Pi 5 Model B"}
    memory = Node("memory@0", {"device_type": "memory", "reg": [0, 0, 0, 0x2800_0000]})
    aliases = Node("aliases", {"serial10": "/soc@107c000000/serial@7d001000"})
    chosen = Node("chosen", {"stdout-path": "serial10:115200n8"})
    cpus = psci_cpus([i << 8 for i in range(4)], n_cells=1)
    return Node("", root, [aliases, chosen, memory, cpus, psci("smc"), soc])


def rk3588() -> Node:
    """A GICv3 whose interrupts have four cells, an 8250 with wide registers, two clusters."""
    wide: dict[str, Value] = {"#address-cells": [2], "#size-cells": [2]}
    registers: dict[str, Value] = {"reg-shift": [2], "reg-io-width": [4]}
    uart = device("serial@feb50000", "snps,dw-apb-uart", 0, 0xFEB5_0000, 0, 0x100,
                  interrupts=[SPI, 333, LEVEL_HIGH, 0], **registers)  # fmt: skip
    gic = [0, 0xFE60_0000, 0, 0x1_0000, 0, 0xFE68_0000, 0, 0x10_0000]
    root = wide | {"compatible": b"xunlong,orangepi-5\0rockchip,rk3588s\0rockchip,rk3588\0"}
    memory = Node("memory@200000", {"device_type": "memory", "reg": [0, 0x20_0000, 0, 0xEFE0_0000]})
    return Node(
        "",
        root,
        [
            Node("aliases", {"serial2": "/serial@feb50000"}),
            Node("chosen", {"stdout-path": "serial2:1500000n8"}),
            memory,
            psci_cpus([i << 8 for i in range(8)], n_cells=1),
            psci("smc"),
            device("interrupt-controller@fe600000", "arm,gic-v3", *gic),
            uart,
        ],
    )


MADE: Final[dict[str, Callable[[], Node]]] = {
    "raspi3b": raspi3b,
    "raspi4b": raspi4b,
    "pi5": pi5,
    "rk3588": rk3588,
}


def made_tree(board: str) -> bytes:
    """The blob of that board's tree; KeyError for a board without."""
    return write_device_tree(MADE[board]())


def pi_without_pl011() -> bytes:
    """Of a Pi 3 whose PL011 is used for something else: the console is the mini UART."""
    root = raspi3b(compatible="example,board", model="Example board", pl011="disabled")
    return write_device_tree(root)
