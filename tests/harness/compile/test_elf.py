"""Each rule of check_elf against an ELF that breaks just that rule."""

from dataclasses import replace

import pytest

from harness.compile.elf import Elf, check_elf, check_objects, flat_bytes
from harness.errors import CompileError
from harness.plan import Region
from tests.harness.compile.tiny_elf import BUDGET, LOAD_ADDRESS, STACK, Workbench


def test_a_sound_kernel_passes(bench: Workbench) -> None:
    check_elf(bench.elf(), bench.plan)


def test_undefined_symbol_is_named(bench: Workbench) -> None:
    source = "extern __attribute__((weak)) void absent(void);\nvoid kernel_main(void) { absent(); }"
    with pytest.raises(CompileError, match="undefined symbol: absent"):
        check_elf(bench.elf(source, flags=("--no-fatal-warnings",)), bench.plan)


def test_dynamic_section_is_refused(bench: Workbench) -> None:
    with pytest.raises(CompileError, match=r"section \.dyn"):
        check_elf(bench.elf(flags=("-pie",)), bench.plan)


def test_got_is_refused(bench: Workbench) -> None:
    extra = ".got : { QUAD(0) } :data"
    with pytest.raises(CompileError, match=r"section \.got \(8 bytes\)"):
        check_elf(bench.elf(extra=extra), bench.plan)


def test_writable_code_is_refused(bench: Workbench) -> None:
    with pytest.raises(CompileError, match="segment at 0x40080000 is both writable and executable"):
        check_elf(bench.elf(text_flags=7), bench.plan)


def test_region_elsewhere_than_planned(bench: Workbench) -> None:
    elf = bench.elf(stack=STACK.base + 0x1000)
    with pytest.raises(CompileError, match="__stack_start is 0x40091000, planned was 0x40090000"):
        check_elf(elf, bench.plan)


def test_region_of_another_size(bench: Workbench) -> None:
    larger = replace(STACK, size_bytes=2 * STACK.size_bytes)
    plan = replace(bench.plan, regions=(bench.plan.regions[0], larger))
    with pytest.raises(CompileError, match="__stack_end is 0x40094000, planned was 0x40098000"):
        check_elf(bench.elf(), plan)


def test_region_that_is_missing(bench: Workbench) -> None:
    link = Region("link", STACK.end, 4096, "rw")
    plan = replace(bench.plan, regions=(*bench.plan.regions, link))
    with pytest.raises(CompileError, match="symbol __link_start is missing"):
        check_elf(bench.elf(), plan)


def test_kernel_over_its_budget(bench: Workbench) -> None:
    source = "static volatile char big[20000]; void kernel_main(void) { big[0] = 1; for (;;) { } }"
    kernel = replace(bench.plan.regions[0], size_bytes=0x2000)
    plan = replace(bench.plan, regions=(kernel, STACK))
    with pytest.raises(CompileError, match=r"the kernel takes \d+ bytes, its budget is 8192"):
        check_elf(bench.elf(source), plan)


def test_every_problem_is_listed(bench: Workbench) -> None:
    elf = bench.elf(text_flags=7, stack=STACK.base + 0x1000)
    with pytest.raises(CompileError) as error:
        check_elf(elf, bench.plan)
    assert len(str(error.value).splitlines()) == 4  # headline, W and X, start, end


def test_static_pointer_is_refused(bench: Workbench) -> None:
    source = (
        "int x; int *const table[] = {&x, &x}; int **kernel_main(void) { return (int **)table; }"
    )
    with pytest.raises(CompileError, match="R_AARCH64_ABS64 of x") as error:
        check_objects([bench.object(source)])
    assert "run time" in error.value.hint


def test_static_numbers_are_fine(bench: Workbench) -> None:
    check_objects(
        [bench.object("const long table[] = {1, 2}; const long *f(void) { return table; }")]
    )


def test_flat_bytes_begin_at_the_load_address(bench: Workbench) -> None:
    source = "int x = 0x12345678; int kernel_main(void) { return x; }"
    elf = Elf.read(bench.elf(source))
    flat = flat_bytes(elf, LOAD_ADDRESS)
    x = elf.symbol("x")
    assert x is not None
    at = x.address - LOAD_ADDRESS
    assert flat[at : at + 4] == bytes.fromhex("78563412")
    assert flat[:4] == elf.bytes_at(LOAD_ADDRESS, 4)
    assert len(flat) < BUDGET


def test_flat_bytes_of_another_address(bench: Workbench) -> None:
    with pytest.raises(CompileError, match="starts at 0x40080000, planned was 0x80000"):
        flat_bytes(bench.elf(), 0x80000)


def test_a_file_that_is_no_elf(bench: Workbench) -> None:
    path = bench.folder / "no.elf"
    path.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(CompileError, match="not a readable ELF file"):
        Elf.read(path)
