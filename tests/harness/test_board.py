"""harness/board.py: board definitions, and what is said about wrong ones."""

from pathlib import Path

import pytest

from harness.board import BOARDS_DIR, board_names, load_board
from harness.errors import BoardError

VIRT = (BOARDS_DIR / "virt.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", board_names())
def test_every_board_of_the_project_loads(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.ram_base < board.load_address < board.ram_base + board.ram_size_bytes


def test_virt_el2_differs_from_virt_by_its_entry() -> None:
    virt, el2 = load_board("virt"), load_board("virt-el2")
    assert (virt.entry_el, el2.entry_el) == (1, 2)
    assert "virtualization=on" in el2.machine
    assert virt.uart == el2.uart


@pytest.mark.parametrize("name", ["pi9", "../virt", "", "virt.toml"])
def test_an_unknown_board_lists_the_known(name: str) -> None:
    with pytest.raises(BoardError, match="no board is called") as error:
        load_board(name)
    assert "virt, virt-el2" in error.value.hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cpu_default", "cpu_defualt", "unknown key cpu_defualt"),
        ("irq = 33", "", "key uart.irq is missing"),
        ("distributor", "distribuotr", "unknown key gic.distribuotr"),
        ('cpu_default = "cortex-a72"', "", "key cpu_default is missing"),
        ("entry_el = 1", 'entry_el = "one"', "entry_el is 'one', wanted a non-negative integer"),
        ("entry_el = 1", "entry_el = true", "entry_el is True, wanted"),
        ("entry_el = 1", "entry_el = 3", "entry_el is 3, wanted 1 or 2"),
        ('"pl011"', '"16550"', "uart.kind is '16550', wanted pl011"),
        ("version = 2\n", "version = 3\n", "gic.version is 3, wanted 2"),
        ("qemu = []", "qemu = [1]", "key qemu is .1., wanted a list of strings"),
        ("[uart]", "[[uart]]", "wanted a table"),
        ("0x4008_0000", "0x4008_1000", "load_address is 0x40081000"),
        ("0x4000_0000", "0x4000_1000", "ram_base"),
        ("qemu = []", "qemu = [", "virt.toml"),
    ],
)
def test_a_wrong_definition_names_file_and_key(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in VIRT
    (tmp_path / "virt.toml").write_text(VIRT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BoardError, match=message) as error:
        load_board("virt", tmp_path)
    assert "virt.toml" in str(error.value)
    assert error.value.hint
