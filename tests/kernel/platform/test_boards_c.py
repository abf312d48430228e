"""kernel/platform/board.c: boards without a tree, and the trees of real ones."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel.board_trees import made_tree
from tests.kernel.build import run_program
from tests.kernel.device_tree import Node, Value, write_device_tree
from tests.kernel.platform.machine import (
    BCM2836,
    GIC_V2,
    GIC_V3,
    HVC,
    NONE,
    PL011,
    PSCI,
    SMC,
    SPIN_TABLE,
    UART_8250,
    Machine,
    board,
    facts,
)

pytestmark = pytest.mark.slow  # builds programs, or waits

NO_TREE = bytes(64)
ATAGS = struct.pack("<13I", 5, 0x5441_0001, 1, 4096, 0, 4, 0x5441_0002, 0x3C00_0000, 0, 4,
                    0x5442_0005, 0x800_0000, 0x12345) + bytes(16)  # fmt: skip
CM3_PLUS, CM4S = 0xA0_2100, 0xA0_3150
PI_3_B, PI_ZERO_2_W, PI_3_AT = 0xA0_2082, 0x90_2120, Machine(0x8_0000, 2, 0xD03)


@pytest.mark.parametrize(
    "not_a_tree", [NO_TREE, ATAGS[:20] + bytes(64), board()[:8] + b"\xff" * 56]
)
@pytest.mark.parametrize(("el", "name", "psci"), [(1, "virt", HVC), (2, "virt-el2", SMC)])
def test_without_a_tree_the_board_is_known_by_its_ram(
    driver: Path, not_a_tree: bytes, el: int, name: str, psci: str
) -> None:
    found = facts(driver, not_a_tree, Machine(el=el))
    assert (found["name"], found["title"]) == ([name], ["QEMU virt"])
    assert found["fdt"] == ["0"]
    assert found["ram"] == ["0x40000000..0x60000000"]
    assert (found["uart"], found["uart_irq"]) == ([f"{PL011} 0x9000000 0 1"], ["33"])
    assert found["intc"] == [f"{GIC_V2} 0x8000000 0x8010000"]
    assert found["psci"] == [psci]


@pytest.mark.parametrize(
    ("part", "revision", "name", "title", "uart", "cpu_1"),
    [
        (0xD03, PI_3_B, "raspi3b", "Raspberry Pi 3", "0x3f201000", f"0x1 {SPIN_TABLE} 0xe0"),
        (0xD03, PI_ZERO_2_W, "pi-zero-2w", "Raspberry Pi Zero 2 W", "0x3f201000", ""),
        # With the CPU of another one, so that only the revision can have said it.
        (0xD08, CM3_PLUS, "raspi3b", "Raspberry Pi 3", "0x3f201000", f"0x1 {SPIN_TABLE} 0xe0"),
        (0xD08, 0xB0_3115, "raspi4b", "Raspberry Pi 4", "0xfe201000", f"0x1 {SPIN_TABLE} 0xe0"),
        (0xD03, CM4S, "raspi4b", "Raspberry Pi 4", "0xfe201000", f"0x1 {SPIN_TABLE} 0xe0"),
        (0xD0B, 0, "pi5", "Raspberry Pi 5", "0x107d001000", f"0x100 {PSCI} 0x0"),
    ],
)
def test_without_a_tree_a_pi_is_known_by_its_cpu_and_revision(
    driver: Path, part: int, revision: int, name: str, title: str, uart: str, cpu_1: str
) -> None:
    found = facts(driver, NO_TREE, Machine(0x8_0000, 2, part, revision))
    assert (found["name"], found["title"], found["n_cpu"]) == ([name], [title], ["4"])
    assert found["uart"] == [f"{PL011} {uart} 0 1"]
    assert not cpu_1 or found["cpu"][1] == cpu_1


def test_atags_say_what_a_loader_without_a_tree_has_loaded(driver: Path) -> None:
    found = facts(driver, ATAGS, Machine(0x8_0000, 2, 0xD03, PI_3_B))
    assert found["name"] == ["raspi3b"]
    assert found["ram"] == ["0x0..0x3c000000"]
    assert found["initrd"] == ["0x8000000..0x8012345"]


def with_words(tree: bytes, *words: tuple[int, int]) -> bytes:
    """The tree with other words of its header, (offset, value)."""
    changed = bytearray(tree)
    for at, value in words:
        struct.pack_into(">I", changed, at, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("tree", "shift", "why"),
    [
        (b"", 0, "none, x0 is 0x0"),
        (NO_TREE, 0, "none, x0 is 0xADDRESS"),
        (board(), 4, "none, x0 is 0xADDRESS"),
        (with_words(board(), (4, 39)), 0, "that at 0xADDRESS has a size of 39"),
        (
            with_words(board(), (20, 16), (24, 3)),
            0,
            "that at 0xADDRESS has version 16, to be read as 3, not 17",
        ),
        (
            with_words(board(), (36, 1 << 16)),
            0,
            f"that at 0xADDRESS has nodes or names outside its first {len(board())} bytes",
        ),
        (
            with_words(board(), (4, 3 << 20), (12, 2 << 20)).ljust(3 << 20, b"\0"),
            0,
            f"that at 0xADDRESS has nodes or names outside its first {2 << 20} bytes",
        ),
        (with_words(board(), (36, 0)), 0, "that at 0xADDRESS has no root node"),
    ],
)
def test_a_tree_that_is_refused_is_told_with_the_reason(
    driver: Path, tree: bytes, shift: int, why: str
) -> None:
    found = facts(driver, tree, Machine(shift=shift))
    said = re.sub("0x[0-9a-f]{6,}", "0xADDRESS", found["source"][0])
    assert said == f"built-in facts of virt; device tree: {why}"
    assert found["ram"] == ["0x40000000..0x60000000"]


def test_atags_are_told_as_a_source(driver: Path) -> None:
    (said,) = facts(driver, ATAGS, Machine(0x8_0000, 2, 0xD03, PI_3_B))["source"]
    assert said.startswith("built-in facts of raspi3b, and ATAGs; device tree: none, x0 is 0x")


def test_a_tree_is_told_as_the_source_and_whether_it_breaks_off(driver: Path) -> None:
    tree = board(Node("memory@0", {"reg": [0, 0x10_0000, 0, 0x2000]}), Node("chosen"))
    (said,) = facts(driver, tree)["source"]
    assert re.fullmatch("device tree at 0x[0-9a-f]+", said)
    at_nodes = struct.unpack_from(">I", tree, 8)[0]
    last = tree.index(b"chosen") - 4
    for damaged in (with_words(tree, (last, 7)), with_words(tree, (36, last - at_nodes))):
        found = facts(driver, damaged)
        assert found["source"][0].endswith(
            ", but not to its end: it is damaged, or nested too deep"
        )
        assert found["ram"] == ["0x100000..0x102000"], "what comes before the damage is believed"


def test_a_machine_that_nothing_is_known_of_has_no_console(driver: Path) -> None:
    found = facts(driver, NO_TREE, Machine(image=0x1_2345_0000))
    assert (found["name"], found["uart"]) == ([""], ["0 0x0 0 0"])


def test_what_the_tree_of_a_known_board_leaves_out_is_filled_in(driver: Path) -> None:
    root: dict[str, Value] = {"compatible": b"raspberrypi,3-model-b\0brcm,bcm2837\0"}
    found = facts(driver, write_device_tree(Node("", root)), Machine(el=2))
    assert (found["name"], found["title"]) == (["raspi3b"], ["Raspberry Pi 3"])
    assert found["ram"] == ["0x0..0x3b400000"]
    assert found["console"] == ["0x3f201000"]
    assert found["mailbox"] == ["0x3f00b880 0xc0000000"]
    assert found["pm"] == ["0x3f100000"]
    assert found["sd"][0] == "2 0x3f300000"


@pytest.mark.parametrize(
    ("compatible", "name"),
    [
        (b"raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "pi-zero-2w"),
        (b"raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "raspi3b"),
        (b"radxa,rock-5b\0rockchip,rk3588\0", "rk3588"),
        (b"somebody,else\0", "Model X"),
        (b"not terminated", "Model X"),
    ],
)
def test_a_board_is_known_by_the_most_specific_of_its_names(
    driver: Path, compatible: bytes, name: str
) -> None:
    root = Node("", {"compatible": compatible, "model": "Model X"})
    assert facts(driver, write_device_tree(root), Machine(el=2))["name"] == [name]


@dataclass(frozen=True)
class Tree:
    """What a real board's tree is to be read as."""

    name: str
    uart: str
    irq: int
    intc: str
    psci: str
    n_cpu: int
    ram: str
    cpu_1: str
    mailbox: str = "0x0 0x0"
    pm: str = "0x0"
    gpio: str = "0 0x0"
    sd: tuple[str, str] = ("0 0x0", "0 0x0")


TREES = {
    "raspi3b": Tree(
        "raspi3b", f"{PL011} 0x3f201000 0 1", 89, f"{BCM2836} 0x40000000 0x3f00b200", NONE, 4,
        "0x0..0x40000000", f"0x1 {SPIN_TABLE} 0xe0", "0x3f00b880 0xc0000000", "0x3f100000",
        "1 0x3f200000", ("0 0x0", "2 0x3f300000"),
    ),
    "raspi4b": Tree(
        "raspi4b", f"{PL011} 0xfe201000 0 1", 153, f"{GIC_V2} 0xff841000 0xff842000", NONE, 4,
        "0x0..0x3b400000", f"0x1 {SPIN_TABLE} 0xe0", "0xfe00b880 0xc0000000", "0xfe100000",
        "2 0xfe200000", ("1 0xfe340000", "2 0xfe300000"),
    ),
    "pi5": Tree(
        "pi5", f"{PL011} 0x107d001000 0 1", 153, f"{GIC_V2} 0x107fff9000 0x107fffa000", SMC, 4,
        "0x0..0x28000000", f"0x100 {PSCI} 0x0", "0x107c013880 0x0", "0x107d200000",
    ),
    "rk3588": Tree(
        "rk3588", f"{UART_8250} 0xfeb50000 2 4", 365, f"{GIC_V3} 0xfe600000 0xfe680000", SMC, 8,
        "0x200000..0xf0000000", f"0x100 {PSCI} 0x0",
    ),
}  # fmt: skip


FILES = {
    "raspi3b": "bcm2837-rpi-3-b",
    "raspi4b": "bcm2711-rpi-4-b",
    "pi5": "bcm2712-rpi-5-b",
    "rk3588": "rk3588s-orangepi-5",
}


def read_as(driver: Path, tree: bytes) -> Tree:
    found = facts(driver, tree, Machine(el=2))
    return Tree(
        name=found["name"][0],
        uart=found["uart"][0],
        irq=int(found["uart_irq"][0]),
        intc=found["intc"][0],
        psci=found["psci"][0],
        n_cpu=int(found["n_cpu"][0]),
        ram=found["ram"][0],
        cpu_1=found["cpu"][1],  # A53 and A72 count in Aff0, A76 and A55 in Aff1
        mailbox=found["mailbox"][0],
        pm=found["pm"][0],
        gpio=found["gpio"][0],
        sd=(found["sd"][0], found["sd"][1]),
    )


def real_tree(shared: Path, board: str) -> bytes:
    path = shared / "dtb" / f"{FILES[board]}.dtb"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path.read_bytes()


@pytest.mark.parametrize("board", TREES)
def test_trees_in_the_shape_of_real_ones_are_understood(driver: Path, board: str) -> None:
    assert read_as(driver, made_tree(board)) == TREES[board]


@pytest.mark.parametrize("board", TREES)
def test_trees_of_real_boards_are_understood(driver: Path, shared: Path, board: str) -> None:
    assert read_as(driver, real_tree(shared, board)) == TREES[board]


@pytest.mark.parametrize("board", ["raspi4b", "pi5"])
def test_damaged_trees_of_boards_are_read_without_harm(driver: Path, board: str) -> None:
    run_program(driver, "damage", "2", "1000", stdin=made_tree(board))


@pytest.mark.parametrize("board", ["raspi4b", "pi5"])
def test_damaged_trees_of_real_boards_are_read_without_harm(
    driver: Path, shared: Path, board: str
) -> None:
    run_program(driver, "damage", "2", "1000", stdin=real_tree(shared, board))
