"""Names for the addresses of a panic report, also when the image runs elsewhere."""

import pytest

from harness.compile.elf import Elf
from harness.compile.symbolise import symbolise, symbolise_report
from tests.harness.compile.tiny_elf import LOAD_ADDRESS, Workbench

SOURCE = """\
__attribute__((noinline)) void stop(void) { for (;;) { __asm__ volatile("wfi"); } }
__attribute__((noinline)) int inner(int x) { __asm__ volatile("" : "+r"(x)); return x + 1; }
void kernel_main(void) { if (inner(1)) { stop(); } for (;;) { } }
"""


@pytest.fixture
def elf(bench: Workbench) -> Elf:
    return Elf.read(bench.elf(SOURCE))


def address(elf: Elf, name: str) -> int:
    symbol = elf.symbol(name)
    assert symbol is not None
    return symbol.address


def test_function_and_offset(elf: Elf) -> None:
    inner = address(elf, "inner")
    assert symbolise(elf, [inner, inner + 4, 0x10], LOAD_ADDRESS) == ["inner+0x0", "inner+0x4", ""]


def test_an_image_that_runs_elsewhere(elf: Elf) -> None:
    base = 0x4800_0000
    moved = address(elf, "inner") - LOAD_ADDRESS + base
    assert symbolise(elf, [moved], base) == ["inner+0x0"]


def test_return_address_belongs_to_the_call_before_it(elf: Elf) -> None:
    after = address(elf, "inner")
    before = symbolise(elf, [after - 4], LOAD_ADDRESS)[0].split("+")[0]
    assert symbolise(elf, [after], LOAD_ADDRESS, returns=True)[0].startswith(f"{before}+")


def test_report_of_an_exception(elf: Elf) -> None:
    base = 0x4800_0000
    inner = address(elf, "inner") - LOAD_ADDRESS + base
    report = (
        "PANIC cpu=0 exception: data abort\n"
        f"ESR 0x96000044  ELR 0x{inner:016x}  FAR 0x0000000000000010\n"
        f"x0  0x{inner:016x}\n"
        f"image base 0x{base:x}\nbacktrace:\n"
        f"  #0 0x{inner:x}\n  #1 0x{inner + 4:x}\n  #2 0xdeadbeef0000\n"
    )
    lines = symbolise_report(elf, report).splitlines()
    assert lines[1].startswith(f"ESR 0x96000044  ELR 0x{inner:016x} <inner+0x0>  FAR")
    assert lines[2] == f"x0  0x{inner:016x}"
    assert lines[5] == f"  #0 0x{inner:x} <inner+0x0>"
    assert lines[6] == f"  #1 0x{inner + 4:x} <inner+0x4>"
    assert lines[7] == "  #2 0xdeadbeef0000"


def test_report_without_a_base_is_taken_as_linked(elf: Elf) -> None:
    line = f"  #0 0x{address(elf, 'inner') + 4:x}"
    assert symbolise_report(elf, line) == f"{line} <inner+0x4>"
