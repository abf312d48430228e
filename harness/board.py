"""images/boards/NAME.toml -> Board: where an image runs, as far as the FDT cannot say it."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BoardError

QEMU = "qemu-system-aarch64"
QEMU_OLDEST = (7, 2)  # Debian 12
BOARDS_DIR = Path(__file__).resolve().parent.parent / "images" / "boards"


@dataclass(frozen=True)
class Uart:
    """The console; irq is the GIC interrupt id."""

    kind: str
    base: int
    irq: int


@dataclass(frozen=True)
class Gic:
    """The interrupt controller, needed only to wake from WFI."""

    version: int
    distributor: int
    cpu_interface: int


@dataclass(frozen=True)
class Board:
    """One machine: its memory, its console and how QEMU is asked for it."""

    name: str
    description: str
    machine: str
    cpu_default: str
    entry_el: int
    qemu: tuple[str, ...]
    ram_base: int
    ram_size_bytes: int
    text_offset: int
    load_address: int
    uart: Uart
    gic: Gic


def board_names(directory: Path = BOARDS_DIR) -> list[str]:
    """All boards that have a definition."""
    return sorted(path.stem for path in directory.glob("*.toml"))


def load_board(name: str, directory: Path = BOARDS_DIR) -> Board:
    """Read and check one board definition."""
    if name not in board_names(directory):  # also keeps path separators out of the file name
        raise BoardError(
            f"no board is called {name!r}", hint="boards: " + ", ".join(board_names(directory))
        )
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
    known = [prefix + key for key in wanted if key != "name"]
    for key in table:
        if key not in wanted:
            raise BoardError(f"{path}: unknown key {prefix}{key}", hint="keys: " + ", ".join(known))
    result: dict[str, Any] = {}
    for key, kind in wanted.items():
        if key not in table:
            raise BoardError(f"{path}: key {prefix}{key} is missing", hint="see virt.toml")
        result[key] = _value(kind, table[key], path, prefix + key)
    return result


def _value(kind: Any, value: Any, path: Path, key: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, dict):
            return kind(**_fields(kind, value, path, key + "."))
        wanted = "a table"
    elif isinstance(kind, types.GenericAlias):  # tuple[str, ...] is the only one
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        wanted = "a list of strings"
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
    if board.load_address != board.ram_base + board.text_offset:
        raise BoardError(
            f"{path}: load_address is {board.load_address:#x}, "
            f"ram_base + text_offset is {board.ram_base + board.text_offset:#x}",
            hint="the boot protocol puts an Image text_offset above a 2 MiB boundary of RAM",
        )
    if board.ram_base % (2 << 20):
        raise BoardError(
            f"{path}: ram_base is {board.ram_base:#x}, wanted a multiple of 2 MiB",
            hint="give the base of the RAM bank that the kernel is loaded to",
        )
    for key, value, known in (
        ("entry_el", board.entry_el, (1, 2)),
        ("uart.kind", board.uart.kind, ("pl011",)),
        ("gic.version", board.gic.version, (2,)),
    ):
        if value not in known:
            wanted = " or ".join(map(str, known))
            raise BoardError(f"{path}: {key} is {value!r}, wanted {wanted}", hint="see virt.toml")
