"""images/boards/NAME.toml -> Board: where an image runs, as far as the FDT cannot say it."""

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.card import Card, check_card
from harness.emulator import QEMU_OLDEST
from harness.errors import BoardError

BOARDS_DIR = Path(__file__).resolve().parent.parent / "images" / "boards"

# What people call a board whose definition has the name of QEMU's machine: it is for both.
ALIASES = {"pi3": "raspi3b", "pi4": "raspi4b"}
RAM_SIZE = re.compile(r"(\d+)([mg])")  # of a version: 512m, 8g
IMAGE_ALIGN = 2 << 20  # the boot protocol puts an Image text_offset above such a boundary
TIERS = ("neon", "dotprod", "i8mm")
ITEMS: dict[type, tuple[str, type]] = {
    str: ("a list of strings", str),
    int: ("a list of numbers", int),
}
VERSION = re.compile(r"(\d+)\.(\d+)|")
# QEMU reads an initrd by one read(), which gives less than 2 GiB (hw/core/loader.c), and keeps a
# copy beside the guest's. A larger blob's file is mapped as the top of a virt machine's RAM.
INITRD_LIMIT = 1 << 30
MAP_ALIGN = 2 << 20  # where it may begin; its end: a multiple of 64 KiB, any system's page


@dataclass(frozen=True)
class Uart:
    """The console.

    irq: the GIC's interrupt id, or on a Pi 3 32 times the bank plus the number; 0: nothing that the
    kernel can wait for. Registers of an 8250 are 1 << reg_shift bytes apart. clock_hz: what its
    speed is divided from.
    """

    kind: str
    base: int
    irq: int = 0
    reg_shift: int = 0
    clock_hz: int = 0  # only the firmware knows it: the speed stays what it is


@dataclass(frozen=True)
class Gic:
    """The interrupt controller, needed only to wake from WFI."""

    version: int
    distributor: int
    cpu_interface: int


@dataclass(frozen=True)
class Cpus:
    """The CPUs. part: of MIDR_EL1, 0 where it may be any.

    method: psci or spin-table. stride: from one CPU's MPIDR to the next, 1 where they count in
    Aff0, 256 in Aff1. spin_table: the first CPU's word in it.
    """

    count: int
    part: int
    method: str
    stride: int
    spin_table: int = 0


@dataclass(frozen=True)
class Pi:
    """What a Raspberry Pi has and no other board. models: types in the board's revision code.

    mailbox_bus: what the VideoCore adds to an address of ours. pm: the watchdog. gpio: the pins of
    UART and card, with their kind; the BCM2836's interrupt controllers: local, shared.
    """

    models: tuple[int, ...]
    mailbox: int
    mailbox_bus: int
    pm: int
    gpio_kind: str = ""
    gpio: int = 0
    intc_local: int = 0
    intc_shared: int = 0


@dataclass(frozen=True)
class SdHost:
    """A controller of SD cards that the kernel can drive: sdhci, or the Pi 3's arasan."""

    kind: str
    base: int


@dataclass(frozen=True)
class RamRange:
    """RAM in one piece that the firmware leaves to the image; `end` is exclusive."""

    base: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.base + self.size_bytes


@dataclass(frozen=True)
class Prediction:
    """What speed is reckoned from; published figures of the board, none of them measured here.

    bandwidth_bytes_per_s: sustained reads of all cores together. ipc: instructions per cycle of one
    core in the loops that multiply. tier: the newest instructions that all cores have.
    """

    bandwidth_bytes_per_s: int
    cores: int
    mhz: int
    ipc: float
    tier: str


@dataclass(frozen=True)
class Board:
    """One machine: its memory, its devices and how QEMU is asked for it.

    compatible: the root nodes of its device trees. machine: QEMU's; "": it has none. cpu_default:
    the CPU that QEMU has or is to emulate. qemu_oldest: the first QEMU that has the machine.
    fixed_machine: CPU, cores and RAM of QEMU's machine are what they are.
    ram_sizes: the versions on sale, the first being meant when none is named; empty: RAM is one
    piece of any size. What lies below is for a kernel that is given no device tree.
    """

    name: str
    description: str
    compatible: tuple[str, ...]
    machine: str
    cpu_default: str
    entry_el: int
    qemu: tuple[str, ...]
    ram: tuple[RamRange, ...]  # of the largest version, ascending
    text_offset: int
    load_address: int
    cpus: Cpus
    uart: Uart
    gic: Gic | None = None
    pi: Pi | None = None
    sd: tuple[SdHost, ...] = ()
    qemu_oldest: str = ""
    fixed_machine: bool = False
    ram_sizes: tuple[str, ...] = ()
    prediction: Prediction | None = None
    card: Card | None = None  # absent: it does not start from one

    @property
    def main_ram(self) -> RamRange:
        """The range that the kernel is loaded to."""
        return next(r for r in self.ram if r.base <= self.load_address < r.end)

    @property
    def ram_base(self) -> int:
        """Where that range begins."""
        return self.main_ram.base

    @property
    def ram_size_bytes(self) -> int:
        """All ranges together."""
        return sum(r.size_bytes for r in self.ram)

    @property
    def qemu_first(self) -> tuple[int, int]:
        """The first QEMU that has the machine."""
        if not self.qemu_oldest:
            return QEMU_OLDEST
        major, _, minor = self.qemu_oldest.partition(".")
        return int(major), int(minor)

    @property
    def any_ram(self) -> bool:
        """Whether QEMU's machine takes as much RAM as one likes."""
        return self._is_virt and not self.ram_sizes

    @property
    def _is_virt(self) -> bool:
        return self.machine.split(",")[0] == "virt"

    def maps_blob(self, size_bytes: int) -> bool:
        """Whether QEMU maps a blob of so many bytes instead of loading it as initrd."""
        return size_bytes > INITRD_LIMIT and self._is_virt

    def mapped_blob_base(self, size_bytes: int) -> int:
        """Where such a blob begins: it ends where RAM does, or a little before."""
        return (self.main_ram.end - size_bytes) // MAP_ALIGN * MAP_ALIGN

    def with_ram(self, size_bytes: int) -> "Board":
        """The same board with so much RAM fitted.

        A board with versions has what its ranges have below that address. BoardError when nothing
        is left where the kernel is loaded.
        """
        if self.ram_sizes:
            ram = tuple(
                RamRange(r.base, min(r.end, size_bytes) - r.base)
                for r in self.ram
                if r.base < size_bytes
            )
        else:
            ram = (RamRange(self.ram[0].base, size_bytes),)
        if not any(r.base <= self.load_address < r.end for r in ram):
            raise BoardError(
                f"{self.name} with {size_bytes} bytes of RAM has none at {self.load_address:#x}, "
                "where the kernel is loaded",
                hint="more RAM",
            )
        return dataclasses.replace(self, ram=ram)


def board_names(directory: Path = BOARDS_DIR) -> list[str]:
    """All boards that have a definition."""
    return sorted(path.stem for path in directory.glob("*.toml"))


def known_boards(directory: Path = BOARDS_DIR) -> tuple[Board, ...]:
    """All of them, each in its first version."""
    return tuple(load_board(name, directory) for name in board_names(directory))


def board_name(name: str) -> str:
    """The name of the definition: raspi4b for pi4, and raspi4b-4g for pi4-4g."""
    for alias, board in ALIASES.items():
        if name == alias or name.startswith(f"{alias}-"):
            return board + name.removeprefix(alias)
    return name


def load_board(name: str, directory: Path = BOARDS_DIR) -> Board:
    """Read and check one board definition; `pi5-8g` is board pi5 with 8 GiB of RAM."""
    name = board_name(name)
    known = board_names(directory)  # also keeps path separators out of the file name
    stem, _, size = name.rpartition("-")
    if name not in known and stem in known:
        board = _read_board(stem, directory)
        if size in board.ram_sizes:
            return dataclasses.replace(board.with_ram(_ram_bytes(size)), name=name)
        if board.ram_sizes:
            versions = ", ".join(f"{stem}-{version}" for version in board.ram_sizes)
            raise BoardError(f"{stem} is not made with {size}", hint=f"boards: {versions}")
    if name not in known:
        boards = [_read_board(known_name, directory) for known_name in known]
        sized = ", ".join(
            f"{board.name}-{board.ram_sizes[-1]}" for board in boards if board.ram_sizes
        )
        known += [alias for alias, board in ALIASES.items() if board in known]
        raise BoardError(
            f"no board is called {name!r}",
            hint=f"boards: {', '.join(known)}" + (f"; by their RAM: {sized}" if sized else ""),
        )
    board = _read_board(name, directory)
    return board.with_ram(_ram_bytes(board.ram_sizes[0])) if board.ram_sizes else board


def versions_of(board: Board, directory: Path = BOARDS_DIR) -> list[Board]:
    """The board with each size of RAM that it is made with, ascending; none for a machine."""
    stems = (board.name, board.name.rpartition("-")[0])
    stem = next(name for name in stems if name in board_names(directory))
    sizes = sorted(board.ram_sizes, key=_ram_bytes)
    return [load_board(f"{stem}-{size}", directory) for size in sizes]


def _ram_bytes(version: str) -> int:
    match = RAM_SIZE.fullmatch(version)
    assert match  # _check
    return int(match[1]) << (30 if match[2] == "g" else 20)


def _read_board(name: str, directory: Path) -> Board:
    path = directory / f"{name}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise BoardError(f"{path}: {exc}", hint="a board is a TOML file, see virt.toml") from exc
    fields = dict(_fields(Board, {"name": name, **table}, path, ""))
    board = Board(**fields)
    _check(board, path)
    return board


def _fields(cls: type, table: Mapping[str, Any], path: Path, prefix: str) -> dict[str, Any]:
    """The table as arguments of a dataclass: every key known, present and of its type."""
    wanted = typing.get_type_hints(cls)
    optional = {f.name for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}
    known = [prefix + key for key in wanted if key != "name"]
    for key in table:
        if key not in wanted:
            raise BoardError(f"{path}: unknown key {prefix}{key}", hint="keys: " + ", ".join(known))
    result: dict[str, Any] = {}
    for key, kind in wanted.items():
        if key not in table:
            if key in optional:
                continue
            raise BoardError(f"{path}: key {prefix}{key} is missing", hint="see virt.toml")
        result[key] = _value(kind, table[key], path, prefix + key)
    return result


def _value(kind: Any, value: Any, path: Path, key: str) -> Any:
    if isinstance(kind, types.UnionType):  # TABLE | None is the only one: absent or a table
        kind = typing.get_args(kind)[0]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, dict):
            return kind(**_fields(kind, value, path, key + "."))
        wanted = "a table"
    elif isinstance(kind, types.GenericAlias):  # tuple[item, ...]
        item, _ = typing.get_args(kind)
        wanted, fits = ITEMS.get(item, ("a list of tables", dict))
        if isinstance(value, list) and all(isinstance(x, fits) for x in value):
            return tuple(_value(item, entry, path, key) for entry in value)
    elif kind is float:
        if type(value) in (int, float) and value > 0:
            return float(value)
        wanted = "a number above 0"
    elif kind is bool:
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif kind is int:
        if type(value) is int and value >= 0:
            return value
        wanted = "a non-negative integer"
    else:
        if isinstance(value, str):
            return value
        wanted = "a string"
    raise BoardError(f"{path}: key {key} is {value!r}, wanted {wanted}", hint="see virt.toml")


def _check(board: Board, path: Path) -> None:
    _check_ram(board, path)
    if (board.load_address - board.text_offset) % IMAGE_ALIGN:
        raise BoardError(
            f"{path}: load_address is {board.load_address:#x}, "
            f"wanted text_offset ({board.text_offset:#x}) above a multiple of 2 MiB",
            hint="the boot protocol puts an Image text_offset above a 2 MiB boundary of RAM",
        )
    choices = [
        ("entry_el", board.entry_el, (1, 2)),
        ("uart.kind", board.uart.kind, ("pl011", "8250", "mini")),
        ("cpus.method", board.cpus.method, ("psci", "spin-table")),
    ]
    if board.gic:
        choices.append(("gic.version", board.gic.version, (2,)))
    if board.pi:
        choices.append(("pi.gpio_kind", board.pi.gpio_kind, ("", "bcm2835", "bcm2711")))
    choices += [("sd.kind", host.kind, ("sdhci", "arasan")) for host in board.sd]
    if board.prediction:
        choices.append(("prediction.tier", board.prediction.tier, TIERS))
    if not VERSION.fullmatch(board.qemu_oldest):
        raise BoardError(
            f"{path}: key qemu_oldest is {board.qemu_oldest!r}, wanted a version like 9.0",
            hint="see raspi4b.toml",
        )
    for key, value, known in choices:
        if value not in known:
            wanted = " or ".join(map(str, known))
            raise BoardError(f"{path}: {key} is {value!r}, wanted {wanted}", hint="see virt.toml")
    if board.card is not None:
        check_card(board.card, path)


def _check_ram(board: Board, path: Path) -> None:
    end = 0
    for piece in board.ram:
        if piece.base < end or not piece.size_bytes:
            raise BoardError(
                f"{path}: ram has {piece.size_bytes:#x} bytes at {piece.base:#x}, wanted some, "
                f"from {end:#x} on",
                hint="list the ranges in ascending order, without overlap",
            )
        end = piece.end
    if not any(r.base <= board.load_address < r.end for r in board.ram):
        raise BoardError(
            f"{path}: load_address is {board.load_address:#x}, where ram has no range",
            hint="list the range that the kernel is loaded to as [[ram]]",
        )
    for version in board.ram_sizes:
        if not RAM_SIZE.fullmatch(version):
            raise BoardError(
                f"{path}: ram_sizes has {version!r}, wanted a size like 512m or 8g",
                hint="it is what stands behind the board's name: pi5-8g",
            )
        try:
            board.with_ram(_ram_bytes(version))
        except BoardError as exc:
            raise BoardError(f"{path}: ram_sizes: {exc}", hint="leave that size out") from exc
