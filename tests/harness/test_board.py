"""harness/board.py: board definitions, and what is said about wrong ones."""

from pathlib import Path

import pytest

from harness.board import BOARDS_DIR, Prediction, RamRange, board_names, known_boards, load_board
from harness.errors import BoardError

VIRT = (BOARDS_DIR / "virt.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", board_names())
def test_every_board_of_the_project_loads(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.ram_base <= board.load_address < board.ram_base + board.ram_size_bytes


# A board whose first gigabyte is shared with a GPU, and whose registers lie below 4 GiB.
PIECES = """[[ram]]
base = 0
size_bytes = 0x3b40_0000
[[ram]]
base = 0x4000_0000
size_bytes = 0xbc00_0000
[[ram]]
base = 0x1_0000_0000
size_bytes = 0x1_0000_0000
"""
PREDICTION = """[prediction]
bandwidth_bytes_per_s = 4_000_000_000
cores = 4
mhz = 1500
ipc = 2
tier = "neon"
"""


def with_pieces(folder: Path, prediction: str = PREDICTION) -> Path:
    old = VIRT[VIRT.index("[[ram]]") : VIRT.index("[cpus]")]
    text = VIRT.replace(old, PIECES + prediction).replace("0x4008_0000", "0x8_0000")
    sizes = 'qemu = []\nram_sizes = ["1g", "2g", "4g", "8g"]'
    (folder / "pieces.toml").write_text(text.replace("qemu = []", sizes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("size", "ends"),
    [
        ("1g", [0x3B40_0000]),
        ("2g", [0x3B40_0000, 0x8000_0000]),
        ("4g", [0x3B40_0000, 0xFC00_0000]),
        ("8g", [0x3B40_0000, 0xFC00_0000, 0x2_0000_0000]),
    ],
)
def test_a_version_has_the_ranges_below_its_size(
    size: str, ends: list[int], tmp_path: Path
) -> None:
    board = load_board(f"pieces-{size}", with_pieces(tmp_path))
    assert board.name == f"pieces-{size}"
    assert [piece.end for piece in board.ram] == ends
    assert [piece.base for piece in board.ram] == [0, 0x4000_0000, 0x1_0000_0000][: len(ends)]
    assert board.main_ram == RamRange(0, 0x3B40_0000)
    assert board.ram_size_bytes == sum(piece.size_bytes for piece in board.ram)


def test_without_a_size_the_first_version_is_meant(tmp_path: Path) -> None:
    board = load_board("pieces", with_pieces(tmp_path))
    assert (board.name, board.ram_size_bytes) == ("pieces", 0x3B40_0000)


@pytest.mark.parametrize("name", ["pieces-3g", "pieces-", "pieces-8G"])
def test_a_size_that_is_not_made_lists_those_that_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="pieces is not made with") as error:
        load_board(name, with_pieces(tmp_path))
    assert "pieces-1g, pieces-2g" in error.value.hint
    with pytest.raises(BoardError, match="no board is called 'virt-8g'"):
        load_board("virt-8g")


def test_an_emulated_machine_has_as_much_ram_as_one_likes() -> None:
    board = load_board("virt").with_ram(8 << 30)
    assert board.ram == (RamRange(0x4000_0000, 8 << 30),)
    with pytest.raises(BoardError, match="4096 bytes of RAM has none at 0x40080000"):
        board.with_ram(4096)


def test_what_no_qemu_can_time_has_figures_for_a_prediction() -> None:
    boards = {name: load_board(name) for name in board_names()}
    virtual = {name for name, board in boards.items() if board.machine.startswith("virt")}
    assert {name for name, board in boards.items() if not board.prediction} == virtual


def test_a_prediction_is_optional_and_checked(tmp_path: Path) -> None:
    board = load_board("pieces", with_pieces(tmp_path))
    assert board.prediction == Prediction(4_000_000_000, 4, 1500, 2.0, "neon")
    assert load_board("virt").prediction is None
    for old, new, message in (
        ('"neon"', '"sse"', "prediction.tier is 'sse', wanted neon or dotprod or i8mm"),
        ("ipc = 2", "ipc = 0", "prediction.ipc is 0, wanted a number above 0"),
        ("ipc = 2", "ipc = true", "prediction.ipc is True, wanted a number above 0"),
        ("mhz", "hz", "unknown key prediction.hz"),
    ):
        with pytest.raises(BoardError, match=message):
            load_board("pieces", with_pieces(tmp_path, PREDICTION.replace(old, new)))


def test_virt_el2_differs_from_virt_by_its_entry() -> None:
    virt, el2 = load_board("virt"), load_board("virt-el2")
    assert (virt.entry_el, el2.entry_el) == (1, 2)
    assert "virtualization=on" in el2.machine
    assert virt.uart == el2.uart


def test_the_boards_differ_where_their_chips_do() -> None:
    pi3, pi4, pi5 = (load_board(name) for name in ("raspi3b", "raspi4b-8g", "pi5-16g"))
    assert pi3.pi
    assert pi4.pi
    assert (pi3.cpus.part, pi4.cpus.part, pi5.cpus.part) == (0xD03, 0xD08, 0xD0B)
    assert (pi3.cpus.method, pi5.cpus.method) == ("spin-table", "psci")
    assert pi4.pi.mailbox - pi3.pi.mailbox == 0xFE00_0000 - 0x3F00_0000
    assert pi3.gic is None
    assert pi4.ram[-1].end == 8 << 30
    assert pi5.ram_size_bytes > 15 << 30
    assert (load_board("virt").qemu_first, pi4.qemu_first) == ((7, 2), (9, 0))
    models = [model for board in known_boards() if board.pi for model in board.pi.models]
    assert len(models) == len(set(models)), "a revision code names one board"


@pytest.mark.parametrize("name", ["pi9", "../virt", "", "virt.toml"])
def test_an_unknown_board_lists_the_known(name: str) -> None:
    with pytest.raises(BoardError, match="no board is called") as error:
        load_board(name)
    assert "raspi3b, raspi4b, rk3588, virt, virt-el2, pi3, pi4; by their RAM: pi5-16g" in (
        error.value.hint
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cpu_default", "cpu_defualt", "unknown key cpu_defualt"),
        ("base = 0x0900_0000", "", "key uart.base is missing"),
        ("count = 1", "coutn = 1", "unknown key cpus.coutn"),
        ('"psci"', '"spin"', "cpus.method is 'spin', wanted psci or spin-table"),
        ('["linux,dummy-virt"]', "[1]", "key compatible is .1., wanted a list of strings"),
        ("qemu = []", 'qemu = []\nqemu_oldest = "nine"', "qemu_oldest is 'nine', wanted a version"),
        ("qemu = []", "qemu = []\nfixed_machine = 1", "fixed_machine is 1, wanted true or false"),
        ("[gic]", '[[sd]]\nkind = "spi"\nbase = 0\n[gic]', "sd.kind is 'spi', wanted sdhci or"),
        ("[gic]", "[pi]\nmodels = ['3']\n[gic]", "pi.models is .'3'., wanted a list of numbers"),
        ("distributor", "distribuotr", "unknown key gic.distribuotr"),
        ('cpu_default = "cortex-a72"', "", "key cpu_default is missing"),
        ("entry_el = 1", 'entry_el = "one"', "entry_el is 'one', wanted a non-negative integer"),
        ("entry_el = 1", "entry_el = true", "entry_el is True, wanted"),
        ("entry_el = 1", "entry_el = 3", "entry_el is 3, wanted 1 or 2"),
        ('"pl011"', '"16550"', "uart.kind is '16550', wanted pl011 or 8250 or mini"),
        ("version = 2\n", "version = 3\n", "gic.version is 3, wanted 2"),
        ("qemu = []", "qemu = [1]", "key qemu is .1., wanted a list of strings"),
        ("[uart]", "[[uart]]", "wanted a table"),
        ("[[ram]]", "[ram]", "key ram is .*, wanted a list of tables"),
        ("base = 0x4000_0000", "", "key ram.base is missing"),
        ("0x4008_0000", "0x4008_1000", "load_address is 0x40081000"),
        ("base = 0x4000_0000", "base = 0x8000_0000", "load_address is 0x40080000, where ram has"),
        ("size_bytes = 0x2000_0000", "size_bytes = 0", "ram has 0x0 bytes at 0x40000000"),
        ("[uart]", "[[ram]]\nbase = 0\nsize_bytes = 4096\n[uart]", "from 0x60000000 on"),
        ("qemu = []", 'qemu = []\nram_sizes = ["8 GB"]', "ram_sizes has '8 GB'"),
        ("qemu = []", 'qemu = []\nram_sizes = ["512m"]', "has none at 0x40080000"),
        ("[gic]", "[prediction]\n[gic]", "key prediction.bandwidth_bytes_per_s is missing"),
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
