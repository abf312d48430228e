"""A machine and its device tree, and what kernel/platform makes of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.build import run_program
from tests.kernel.device_tree import Node, Value, write_device_tree

NONE, HVC, SMC = "0", "1", "2"
MAX_RANGES = 32
PSCI, SPIN_TABLE = 1, 2
PL011, UART_8250, MINI = 1, 2, 3
GIC_V2, BCM2836, GIC_V3 = 1, 2, 3


@dataclass(frozen=True)
class Machine:
    """What surrounds the tree; by default a QEMU virt, entered at EL1."""

    image: int = 0x4008_0000
    el: int = 1
    cpu_part: int = 0xD08
    revision: int = 0  # of the board, as a Pi's mailbox says
    arm_memory_end: int = 0
    shift: int = 0  # of the tree from an address that is a multiple of 8

    def words(self) -> tuple[str, ...]:
        board = (self.image, self.el, self.cpu_part, self.revision, self.arm_memory_end)
        return tuple(f"{number:x}" for number in (*board, self.shift))


def facts(driver: Path, tree: bytes, machine: Machine = Machine()) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in run_program(driver, *machine.words(), stdin=tree).decode().splitlines():
        key, _, value = line.partition("=")
        found[key].append(value)
    return found


def cells64(*values: int) -> list[int]:
    return [half for value in values for half in (value >> 32, value & 0xFFFFFFFF)]


def pl011(at: int, **more: Value) -> Node:
    return Node(
        f"serial@{at:x}",
        {"compatible": b"arm,pl011\0arm,primecell\0", "reg": cells64(at, 0x1000), **more},
    )


def board(*children: Node, reservations: Sequence[tuple[int, int]] = ()) -> bytes:
    root = Node("", {"#address-cells": [2], "#size-cells": [2]}, children=list(children))
    return write_device_tree(root, reservations)
