import re
import subprocess
from pathlib import Path

import pytest

from harness.bench.counter import (
    Counts,
    Mark,
    build_plugin,
    marks_in,
    plugin_arguments,
    read_counts,
)
from harness.boot.qemu import find_qemu
from harness.compile import Elf
from harness.compile.sources import KERNEL_DIR
from harness.errors import BenchError
from tests.target.machine import needs_qemu
from toolchain import find_toolchain

# Counts down from 1000 between two marks, then waits for 500 turns, then counts down from 10.
PROGRAM = """
.globl _start
_start:
    hint #106
    mov x0, #1000
1:  subs x0, x0, #1
    b.ne 1b
    hint #102
    mov x0, #500
2:  subs x0, x0, #1
    b.ne 2b
    hint #103
    mov x0, #10
3:  subs x0, x0, #1
    b.ne 3b
    hint #107
    movz x0, #0x8400, lsl #16 // PSCI_SYSTEM_OFF
    movk x0, #0x0008
    hvc #0
"""
EXECUTED = (1 + 1 + 2 * 1000) + (1 + 1 + 2 * 10)  # each time from a mark up to the next
WAITED = 1 + 1 + 2 * 500


def test_marks_are_those_of_the_kernel() -> None:
    header = (KERNEL_DIR / "lib" / "phase.h").read_text()
    defined = {name: int(n) for name, n in re.findall(r"#define PHASE_(\w+)\s+(\d+)", header)}
    assert defined == {mark.name: mark.value for mark in Mark if mark is not Mark.START}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Elf:
    out = tmp_path_factory.mktemp("counted")
    toolchain = find_toolchain()
    target = ["--target=aarch64-none-elf"] if toolchain.kind == "clang" else []
    (out / "program.S").write_text(PROGRAM)
    obj, elf = str(out / "program.o"), out / "program.elf"
    subprocess.run(
        [str(toolchain.cc), *target, "-c", str(out / "program.S"), "-o", obj], check=True
    )
    subprocess.run([str(toolchain.ld), "-Ttext=0x40080000", "-o", str(elf), obj], check=True)
    return Elf.read(elf)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_plugin(tmp_path_factory.mktemp("plugin"))


def count(program: Elf, plugin: Path, tmp_path: Path) -> Counts:
    out = tmp_path / "counts"
    machine = [find_qemu(), "-M", "virt", "-cpu", "cortex-a53", "-kernel", str(program.path)]
    machine += [
        "-display",
        "none",
        "-serial",
        "none",
        "-monitor",
        "none",
        "-nic",
        "none",
        "-no-reboot",
    ]
    arguments = plugin_arguments(plugin, program, tmp_path / "marks", out)
    subprocess.run([*machine, *arguments], check=True, timeout=120)
    return read_counts(out)


def test_marks_are_found_in_the_code(program: Elf) -> None:
    assert sorted(marks_in(program).values()) == [102, 103, 106, 107]
    assert min(marks_in(program)) == program.entry


@pytest.mark.target
def test_every_instruction_is_counted_once_and_waiting_apart(
    program: Elf, plugin: Path, tmp_path: Path
) -> None:
    needs_qemu()
    counts = count(program, plugin, tmp_path)
    assert counts.spans(Mark.KERNEL_BEGIN, Mark.KERNEL_END) == [EXECUTED]
    assert sum(p.n * p.times for p in counts.pieces if p.waiting) == WAITED
    loop = program.entry + 4 * 2
    assert sum(p.times for p in counts.pieces if p.address <= loop < p.address + 4 * p.n) == 1000


def test_a_plugin_is_built_once(plugin: Path) -> None:
    before = plugin.stat().st_mtime_ns
    assert build_plugin(plugin.parent) == plugin
    assert plugin.stat().st_mtime_ns == before


def test_counts_that_end_early_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "counts"
    with pytest.raises(BenchError, match="wrote no counts"):
        read_counts(out)
    out.write_text("count 0 100 0 0x40080000 4 9\noverflow\n")
    with pytest.raises(BenchError, match="end with 'overflow'"):
        read_counts(out)


def test_a_path_that_qemu_would_cut_is_refused(program: Elf, plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="comma"):
        plugin_arguments(plugin, program, tmp_path / "a,b", tmp_path / "counts")
