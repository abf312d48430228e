"""kernel/platform/platform.c and kernel/lib/fdt.c: real trees, made ones and damaged ones."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kernel.build import run_program
from tests.kernel.device_tree import Node, Value, write_device_tree
from tests.kernel.platform.machine import (
    GIC_V2,
    MAX_RANGES,
    MINI,
    PL011,
    PSCI,
    SMC,
    SPIN_TABLE,
    UART_8250,
    Machine,
    board,
    cells64,
    facts,
    pl011,
)

pytestmark = pytest.mark.slow  # builds programs, or waits


def test_all_memory_is_found_sorted_and_cut_to_pages(driver: Path) -> None:
    tree = board(
        Node("memory@80000000", {"reg": cells64(0x8000_0000, 0x1000_0800)}),
        Node("memory@0", {"reg": cells64(0x100, 0x2000, 0x10_0000, 0x1000, 0x10_1000, 0x1000)}),
        Node("memory@90000000", {"reg": cells64(0x9000_0000, 0x1000), "status": "disabled"}),
    )
    assert facts(driver, tree)["ram"] == [
        "0x1000..0x2000",
        "0x100000..0x102000",
        "0x80000000..0x90000000",
    ]


@pytest.mark.parametrize(("address_cells", "size_cells"), [(1, 1), (2, 1), (2, 2)])
def test_the_pairs_of_memory_have_the_root_s_cells(
    driver: Path, address_cells: int, size_cells: int
) -> None:
    """A Pi 3's tree has one cell each, a Pi 4's two and one, a Pi 5's two and two."""

    def cells(value: int, n: int) -> list[int]:
        return cells64(value)[2 - n :]

    pairs = [(0, 0x3B40_0000), (0x4000_0000, 0xBC00_0000)]
    if address_cells == 2:
        pairs.append((0x1_0000_0000, 0x8000_0000))
    reg = [c for at, size in pairs for c in (*cells(at, address_cells), *cells(size, size_cells))]
    counts: dict[str, Value] = {"#address-cells": [address_cells], "#size-cells": [size_cells]}
    tree = write_device_tree(Node("", counts, [Node("memory@0", {"reg": reg})]))
    assert facts(driver, tree)["ram"] == [f"{at:#x}..{at + size:#x}" for at, size in pairs]


def test_only_memory_is_memory(driver: Path) -> None:
    tree = board(
        Node("memory-controller@1000", {"reg": cells64(0x1000, 0x1000)}),
        Node("memory", {"reg": cells64(0x10_0000, 0x1000)}),
        Node("memory@200000", {"reg": cells64(0x20_0000, 0x1000)}),
    )
    assert facts(driver, tree)["ram"] == ["0x100000..0x101000", "0x200000..0x201000"]


def test_more_ranges_than_there_is_room_for_are_refused(driver: Path) -> None:
    pieces = cells64(*(value for i in range(MAX_RANGES) for value in (0x10_0000 * i, 0x1000)))
    assert len(facts(driver, board(Node("memory", {"reg": pieces})))["ram"]) == MAX_RANGES
    tree = board(Node("memory", {"reg": [*pieces, *cells64(1 << 30, 0x1000)]}))
    said = run_program(driver, stdin=tree).decode()
    assert f"platform: the device tree has more than {MAX_RANGES} ranges of RAM" in said


def test_memory_that_wraps_around_is_cut_to_what_the_map_holds(driver: Path) -> None:
    tree = board(Node("memory@0", {"reg": cells64(0x1000, (1 << 64) - 1)}))
    assert facts(driver, tree)["ram"] == ["0x1000..0x8000000000"]


@pytest.mark.parametrize("cells", [1, 2])
def test_initrd_cells_may_have_four_or_eight_bytes(driver: Path, cells: int) -> None:
    encode = cells64 if cells == 2 else lambda value: [value]
    start, end = encode(0x4800_0000), encode(0x4900_0001)
    chosen = Node("chosen", {"linux,initrd-start": start, "linux,initrd-end": end})
    assert facts(driver, board(chosen))["initrd"] == ["0x48000000..0x49000001"]


def test_an_initrd_that_ends_before_it_starts_is_none(driver: Path) -> None:
    chosen = Node("chosen", {"linux,initrd-start": [2], "linux,initrd-end": [1]})
    assert facts(driver, board(chosen))["initrd"] == ["0x0..0x0"]


@pytest.mark.parametrize(
    ("bootargs", "initrd"),
    [
        ("initrdmem=0x140000000,0x1000", "0x140000000..0x140001000"),
        ("quiet initrdmem=4096,10 threads=4", "0x1000..0x100a"),
        ("initrdmem=0X1fF,0xA", "0x1ff..0x209"),
        ("xinitrdmem=1,2", "0x0..0x0"),
        ("initrdmem=", "0x0..0x0"),
        ("initrdmem=1", "0x0..0x0"),
        ("initrdmem=1,", "0x0..0x0"),
        ("initrdmem=0x,1", "0x0..0x0"),
        ("initrdmem=1,0", "0x0..0x0"),
        ("initrdmem=1,2G", "0x0..0x0"),
        ("initrdmem=0xffffffffffffffff,2", "0x0..0x0"),
        ("initrdmem=18446744073709551616,1", "0x0..0x0"),
    ],
)
def test_bootargs_may_say_where_the_initrd_is(driver: Path, bootargs: str, initrd: str) -> None:
    assert facts(driver, board(Node("chosen", {"bootargs": bootargs})))["initrd"] == [initrd]


def test_what_the_loader_wrote_comes_before_bootargs(driver: Path) -> None:
    written: dict[str, Value] = {"linux,initrd-start": [0x1000], "linux,initrd-end": [0x2000]}
    chosen = Node("chosen", {"bootargs": "initrdmem=0x5000,0x1000", **written})
    assert facts(driver, board(chosen))["initrd"] == ["0x1000..0x2000"]


@pytest.mark.parametrize("stdout", ["/serial@2000", "console:115200n8", "console"])
def test_stdout_path_chooses_among_uarts(driver: Path, stdout: str) -> None:
    tree = board(
        Node("aliases", {"console": "/serial@2000"}),
        pl011(0x1000),
        pl011(0x2000, interrupts=[0, 5, 4]),
        pl011(0x3000),
        Node("chosen", {"stdout-path": stdout}),
    )
    found = facts(driver, tree)
    assert found["uart"] == [f"{PL011} 0x2000 0 1"]
    assert found["uart_irq"] == ["37"]
    assert found["console"] == ["0x2000"]


def test_without_stdout_path_the_first_enabled_uart_is_taken(driver: Path) -> None:
    tree = board(pl011(0x1000, status="disabled"), pl011(0x2000, status="okay"), pl011(0x3000))
    found = facts(driver, tree)
    assert found["uart"] == [f"{PL011} 0x2000 0 1"]
    assert found["uart_irq"] == ["0"], "no interrupts property: nothing to wait for"


def test_addresses_are_translated_through_the_buses(driver: Path) -> None:
    soc = Node(
        "soc",
        {
            "#address-cells": [1],
            "#size-cells": [1],
            "ranges": [0x7E00_0000, 0x10, 0xFE00_0000, 0x180_0000],
        },
        [
            Node(
                "bus",
                {"#address-cells": [1], "#size-cells": [1], "ranges": b""},
                [Node("uart", {"compatible": "arm,pl011", "reg": [0x7E20_1000, 0x200]})],
            )
        ],
    )
    assert facts(driver, board(soc))["console"] == ["0x10fe201000"]


def test_a_uart_outside_the_ranges_of_its_bus_is_ignored(driver: Path) -> None:
    soc = Node(
        "soc",
        {"#address-cells": [1], "#size-cells": [1], "ranges": [0, 0, 0x1000_0000, 0x1000]},
        [Node("uart", {"compatible": "arm,pl011", "reg": [0x2000, 0x200]})],
    )
    assert facts(driver, board(soc))["uart"] == ["0 0x0 0 0"]


def test_firmware_memory_power_and_cpus_are_found(driver: Path) -> None:
    bus: dict[str, Value] = {"#address-cells": [2], "#size-cells": [2], "ranges": b""}
    tree = board(
        Node("psci", {"compatible": "arm,psci-1.0", "method": "smc"}),
        Node("cpus", {}, [Node("cpu@0"), Node("cpu@1"), Node("cpu-map")]),
        Node(
            "reserved-memory",
            bus,
            [
                Node("atf@0", {"reg": cells64(0, 0x80000), "no-map": b""}),
                Node("ramoops", {"reg": cells64(0x100000, 0x1000)}),
                Node("cma", {"reg": cells64(0x200000, 0x1000), "reusable": b""}),
                Node("chosen-later", {"size": cells64(0x1000)}),
                Node("unused", {"reg": cells64(0x300000, 0x1000), "status": "disabled"}),
            ],
        ),
        Node("intc", {"compatible": "arm,gic-400", "reg": cells64(0x1000, 8, 0x2000, 8)}),
        reservations=[(0, 0x1000), (0x4800_0000, 0), (0x4900_0000, 5)],
    )
    found = facts(driver, tree)
    assert found["psci"] == [SMC]
    assert found["n_cpu"] == ["2"]
    assert found["no_map"] == ["0x0..0x80000"]
    assert found["reserved"] == ["0x100000..0x101000", "0x0..0x1000", "0x49000000..0x49000005"]
    assert found["intc"] == [f"{GIC_V2} 0x1000 0x2000"]


def test_each_cpu_comes_with_its_affinity_and_how_it_is_started(driver: Path) -> None:
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [0]}
    spin: dict[str, Value] = {"enable-method": "spin-table"}
    tree = board(
        Node(
            "cpus",
            narrow | {"enable-method": "psci"},
            [
                Node("cpu@0", {"reg": [0]}),
                Node("cpu@1", {"reg": cells64(0x1_0000_0203), "status": "disabled"}),
                Node("cpu@100", {"reg": [0x100], "cpu-release-addr": cells64(0xD8), **spin}),
                Node("cpu@101", {"reg": [0x101], "cpu-release-addr": [0xE0], **spin}),
                Node("cpu@102", {"reg": [0x102], "cpu-release-addr": [0xE1], **spin}),
                Node("cpu@103", {"reg": [0x103], **spin}),
                Node("cpu@104", {"reg": [0x104], "enable-method": "brcm,bcm2836-smp"}),
                Node("cpu@105", {"reg": [0x105], "status": "fail-uncorrectable"}),
                Node("cpu@106", {"reg": [0x106]}),
                Node("cpu@107", {"reg": [0x107]}),
            ],
        )
    )
    found = facts(driver, tree)
    assert found["n_cpu"] == ["9"]
    assert found["cpu"] == [
        f"0x0 {PSCI} 0x0",
        f"0x100000203 {PSCI} 0x0",
        f"0x100 {SPIN_TABLE} 0xd8",
        f"0x101 {SPIN_TABLE} 0xe0",
        "0x102 0 0xe1",
        "0x103 0 0x0",
        "0x104 0 0x0",
        f"0x106 {PSCI} 0x0",
    ]


def test_a_uart_of_another_kind_is_taken_with_its_registers(driver: Path) -> None:
    tree = board(
        Node("aliases", {"serial2": "/serial@3000"}),
        Node("serial@2000", {"compatible": "ns16550a", "reg": cells64(0x2000, 0x100)}),
        Node(
            "serial@3000",
            {
                "compatible": b"rockchip,rk3588-uart\0snps,dw-apb-uart\0",
                "reg": cells64(0x3000, 0x100),
                "reg-shift": [2],
                "reg-io-width": [4],
                "interrupts": [0, 333, 4, 0],
            },
        ),
        Node("chosen", {"stdout-path": "serial2:1500000n8"}),
    )
    found = facts(driver, tree)
    assert (found["uart"], found["uart_irq"]) == ([f"{UART_8250} 0x3000 2 4"], ["365"])


@pytest.mark.parametrize(("shift", "width"), [(3, 1), (200, 4), (2, 2), (0, 0), (2, 8)])
def test_a_uart_whose_registers_no_driver_knows_is_none(
    driver: Path, shift: int, width: int
) -> None:
    registers: dict[str, Value] = {"reg-shift": [shift], "reg-io-width": [width]}
    odd = registers | {"compatible": "ns16550a", "reg": cells64(0x2000, 0x100)}
    good: dict[str, Value] = {"compatible": "ns16550a", "reg": cells64(0x3000, 0x100)}
    assert facts(driver, board(Node("serial@2000", odd)))["uart"] == ["0 0x0 0 0"]
    found = facts(driver, board(Node("serial@2000", odd), Node("serial@3000", good)))
    assert found["uart"] == [f"{UART_8250} 0x3000 0 1"]


def pi_like(*, pl011_is: str, ram: Sequence[tuple[int, int]] = ((0, 0x4000_0000),)) -> bytes:
    """A tree whose console is the mini UART, as the trees of Linux have it."""
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [1]}
    uart: dict[str, Value] = {"interrupts": [2, 25], "status": pl011_is}
    nodes = [
        Node("gpio@7e200000", {"compatible": "brcm,bcm2835-gpio", "reg": [0x7E20_0000, 0xB4]}),
        Node("uart0", {"compatible": "arm,pl011", "reg": [0x7E20_1000, 0x200], **uart}),
        Node(
            "uart1",
            {
                "compatible": "brcm,bcm2835-aux-uart",
                "reg": [0x7E21_5040, 0x40],
                "interrupts": [1, 29],
            },
        ),
    ]
    soc = Node("soc", narrow | {"ranges": [0x7E00_0000, 0x3F00_0000, 0x100_0000]}, nodes)
    chosen = Node("chosen", {"stdout-path": "/soc/uart1"})
    memory = Node("memory@0", {"reg": [number for pair in ram for number in pair]})
    return write_device_tree(Node("", narrow, [chosen, memory, soc]))


def test_on_a_pi_the_pl011_is_the_console_whatever_stdout_path_says(driver: Path) -> None:
    found = facts(driver, pi_like(pl011_is="okay"))
    assert found["uart"] == [f"{PL011} 0x3f201000 0 1"]
    assert found["uart_irq"] == [str(2 * 32 + 25)]
    assert found["pins"] == ["1"]
    found = facts(driver, pi_like(pl011_is="disabled"))
    assert found["uart"] == [f"{MINI} 0x3f215040 0 1"]
    assert found["uart_irq"] == [str(1 * 32 + 29)]


def test_memory_that_the_videocore_keeps_is_not_ours(driver: Path) -> None:
    found = facts(driver, pi_like(pl011_is="okay"), Machine(arm_memory_end=0x3B40_0000))
    assert found["ram"] == ["0x0..0x3b400000"]


def test_memory_in_pieces_is_cut_at_the_videocore_s_border(driver: Path) -> None:
    pieces = (
        (0, 0x2000_0000),
        (0x3000_0000, 0x0C00_0000),
        (0x3C80_0000, 0x0080_0000),
        (0x3E00_0000, 0x1200_0000),
    )
    tree = pi_like(pl011_is="okay", ram=pieces)
    found = facts(driver, tree, Machine(arm_memory_end=0x3B40_0000))
    assert found["ram"] == [
        "0x0..0x20000000",
        "0x30000000..0x3b400000",
        "0x40000000..0x50000000",
    ]


def test_a_piece_too_many_after_the_cut_is_told(driver: Path) -> None:
    # Small ones that are none of the first GiB's, and one that is cut in two.
    small = [(0x5000_0000 + 0x10_0000 * i, 0x1000) for i in range(MAX_RANGES - 1)]
    tree = pi_like(pl011_is="okay", ram=[(0, 0x4800_0000), *small])
    assert "n_cpu" in facts(driver, tree)
    said = run_program(driver, *Machine(arm_memory_end=0x3B40_0000).words(), stdin=tree).decode()
    assert said == f"platform: the device tree has more than {MAX_RANGES} ranges of RAM"


def test_room_behind_a_tree_is_not_looked_at(driver: Path) -> None:
    """QEMU leaves as much again: 2 MiB behind the 1 MiB that it writes for a tree of its own."""
    tree = bytearray(board(Node("memory@0", {"reg": cells64(0x100000, 0x2000)})))
    assert int.from_bytes(tree[4:8], "big") == len(tree)
    tree[4:8] = (3 << 20).to_bytes(4, "big")
    assert facts(driver, bytes(tree))["ram"] == ["0x100000..0x102000"]


def test_damaged_trees_are_read_without_harm(driver: Path) -> None:
    soc: dict[str, Value] = {
        "#address-cells": [1],
        "#size-cells": [1],
        "ranges": [0, 0, 0x1000_0000, 0x1000],
    }
    tree = board(
        Node("aliases", {"serial0": "/soc/uart"}),
        Node("chosen", {"stdout-path": "serial0:1n8", "bootargs": "initrdmem=0x10000,0x1000"}),
        Node("memory@0", {"device_type": "memory", "reg": cells64(0, 1 << 30)}),
        Node("soc", soc, [Node("uart", {"compatible": "arm,pl011", "reg": [0, 4]})]),
    )
    for n in range(40, len(tree), 16):
        run_program(driver, stdin=tree[:n])
    run_program(driver, "damage", "1", "20000", stdin=tree)
