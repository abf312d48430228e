"""The counting plugin: built at first use, told where the marks lie, read when QEMU has ended."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from harness.compile import Elf
from harness.compile.elf import SHF_EXECINSTR
from harness.compile.sources import KERNEL_DIR, ROOT
from harness.compile.twin import native_compiler
from harness.errors import BenchError, CompileError

SOURCE_DIR = ROOT / "toolchain" / "count"
FLAGS = ("-std=gnu17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")
HINT = 0xD503201F  # hint #0; the number is in bits 11:5
HINT_MASK = 0xFFFFF01F
WAITING, IN_HEAD = 1, 2
QEMU_HINT = (
    "a QEMU without plugins (configure --disable-plugins) cannot count; Debian's and Ubuntu's can"
)


class Mark(IntEnum):
    """kernel/lib/phase.h."""

    START = 0  # before the first mark
    ENTRY = 96
    READY = 97
    PREFILL_BEGIN = 98
    PREFILL_END = 99
    DECODE_BEGIN = 100
    DECODE_END = 101
    WAIT_BEGIN = 102
    WAIT_END = 103
    HEAD_BEGIN = 104
    HEAD_END = 105
    KERNEL_BEGIN = 106
    KERNEL_END = 107


@dataclass(frozen=True)
class Piece:
    """`n` instructions from `address` on, executed `times` by one CPU in one phase."""

    cpu: int
    phase: Mark
    waiting: bool
    in_head: bool
    address: int
    n: int
    times: int


@dataclass(frozen=True)
class Passed:
    """A mark that a CPU passed after `executed` instructions of its own, waiting left out."""

    cpu: int
    mark: Mark
    executed: int


@dataclass(frozen=True)
class Counts:
    """Everything that the plugin saw."""

    pieces: tuple[Piece, ...]
    passed: tuple[Passed, ...]

    def spans(self, begin: Mark, end: Mark) -> list[int]:
        """Instructions of the first CPU between each `begin` and the `end` that follows it."""
        found: list[int] = []
        start: int | None = None
        for passed in self.passed:
            if passed.cpu != 0:
                continue
            if passed.mark is begin:
                start = passed.executed
            elif passed.mark is end and start is not None:
                found.append(passed.executed - start)
                start = None
        return found


def build_plugin(out_dir: Path) -> Path:
    """libcount-<hash>.so in out_dir, compiled when it is not there; CompileError when it cannot."""
    cc = native_compiler()
    files = [*sorted(SOURCE_DIR.glob("*.[ch]")), KERNEL_DIR / "lib" / "phase.h"]
    digest = hashlib.sha256(repr((cc, FLAGS)).encode())
    for file in files:
        digest.update(file.read_bytes())
    plugin = out_dir.resolve() / f"libcount-{digest.hexdigest()[:12]}.so"
    if plugin.is_file():
        return plugin
    out_dir.mkdir(parents=True, exist_ok=True)
    unfinished = plugin.with_suffix(f".{os.getpid()}.tmp")  # another run may be at it too
    command = [cc, *FLAGS, f"-I{KERNEL_DIR}", "-o", str(unfinished), str(SOURCE_DIR / "count.c")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CompileError(f"the counting plugin does not compile\n{done.stderr.strip()}")
    unfinished.rename(plugin)
    return plugin


def marks_in(elf: Elf) -> dict[int, int]:
    """Address -> number of each hint from 96 on in the image's code."""
    marks: dict[int, int] = {}
    for section in elf.sections:
        if not section.flags & SHF_EXECINSTR:
            continue
        code = elf.bytes_at(section.address, section.size_bytes)
        for offset in range(0, len(code) - 3, 4):
            word = int.from_bytes(code[offset : offset + 4], "little")
            number = word >> 5 & 127
            if word & HINT_MASK == HINT and number >= Mark.ENTRY:
                marks[section.address + offset] = number
    return marks


def plugin_arguments(plugin: Path, elf: Elf, marks: Path, out: Path) -> tuple[str, ...]:
    """QEMU's arguments; writes `marks`, and removes an old `out`."""
    for path in (plugin, marks, out):
        if "," in str(path):  # QEMU 7.2 has no way to quote it
            raise BenchError(f"{path}: a comma in a path ends QEMU's option", hint="-o DIR")
    marks.write_text("".join(f"{a:x} {number}\n" for a, number in marks_in(elf).items()))
    out.unlink(missing_ok=True)
    return ("-plugin", f"file={plugin},marks={marks.resolve()},out={out.resolve()}")


def read_counts(out: Path) -> Counts:
    """What the plugin wrote; BenchError unless it is complete."""
    if not out.is_file():
        raise BenchError(f"QEMU wrote no counts to {out}", hint=QEMU_HINT)
    lines = out.read_text().splitlines()
    if not lines or lines[-1] != "end":
        last = lines[-1] if lines else "nothing"
        raise BenchError(
            f"the counts in {out} are not complete: they end with {last!r}",
            hint="overflow: more code or marks than the plugin has room for; try fewer tokens",
        )
    return Counts(tuple(_pieces(lines)), tuple(_passed(lines)))


def _pieces(lines: list[str]) -> Iterator[Piece]:
    for line in lines:
        match = re.fullmatch(r"count (\d+) (\d+) (\d+) (0x[0-9a-f]+) (\d+) (\d+)", line)
        if match:
            cpu, phase, flags = (int(word) for word in match.group(1, 2, 3))
            yield Piece(
                cpu, Mark(phase), bool(flags & WAITING), bool(flags & IN_HEAD),
                int(match[4], 16), int(match[5]), int(match[6]),
            )  # fmt: skip


def _passed(lines: list[str]) -> Iterator[Passed]:
    for line in lines:
        match = re.fullmatch(r"mark (\d+) (\d+) (\d+)", line)
        if match:
            yield Passed(int(match[1]), Mark(int(match[2])), int(match[3]))
