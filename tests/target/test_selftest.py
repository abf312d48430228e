"""Every NEON twin against its portable original, on the bare machine, per CPU and compiler."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.boot import boot
from harness.cli.pipeline import Built
from harness.compile import flat_bytes
from harness.compile.sources import KERNEL_DIR, ROOT, kernel_sources
from harness.image import Image
from harness.link.stream import StreamEnded, timeout_scale
from tests.target.machine import CPUS, Workshop
from toolchain import compile_flags, find_toolchain, link_flags

pytestmark = pytest.mark.target

COMPILERS = ("clang", "aarch64-linux-gnu-gcc")
BUDGET = 512 << 10  # bytes
SELFTEST = ROOT / "tests" / "kernel" / "nn"
LACKS = {
    "cortex-a53": {"dotprod", "i8mm"},
    "cortex-a72": {"dotprod", "i8mm"},
    "cortex-a76": {"i8mm"},
    "max": set[str](),
}
TESTED_TOGETHER = {
    **dict.fromkeys(("quantize_q8_0", "quantize_q8_k"), "quantize_q8_0 and q8_k"),
    **dict.fromkeys(("vec_max", "vec_exp", "vec_sum"), "vec_max, vec_exp and vec_sum"),
    "row_get": "row_get of Q4_K",
}


@dataclass(frozen=True)
class SelfTest:
    """An image that tests itself, and what it must report on."""

    built: Built  # of the product, for the board
    image: Image
    twinned: frozenset[str]  # operations that have a NEON twin


@pytest.fixture(scope="module", params=COMPILERS)
def selftest(
    request: pytest.FixtureRequest,
    tiny_q4_k_m: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> SelfTest:
    """The product's objects, with the self-test in place of kernel/app."""
    if request.param != "clang" and which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    out = tmp_path_factory.mktemp("selftest")
    with pytest.MonkeyPatch.context() as patch:
        # All originals beside all twins, and the test itself: more than any product's kernel.
        patch.setattr("harness.plan.planner.KERNEL_BUDGET", BUDGET)
        built = Workshop(out).image(tiny_q4_k_m)
    toolchain = find_toolchain(None if request.param == "clang" else request.param)
    sources = [
        (KERNEL_DIR / source, source) for source in kernel_sources() if not source.startswith("app")
    ]
    sources.append((SELFTEST / "selftest.c", "nn/selftest.c"))
    sources.append((SELFTEST / "selftest_main.c", "app/main.c"))
    objects = []
    twinned: set[str] = set()
    for number, (file, source) in enumerate(sources):
        objects.append(str(out / f"{number}.o"))
        command = [str(toolchain.cc), *compile_flags(toolchain.kind, source)]
        command += [f"-I{KERNEL_DIR}", f"-I{built.directory}", "-c", str(file), "-o", objects[-1]]
        subprocess.run(command, check=True)
        if source.startswith("nn/") and source.endswith("_neon.c"):
            twinned |= {name.removesuffix("_neon") for name in global_functions(objects[-1])}
    elf = out / "kernel.elf"
    script = built.directory / "gen" / "kernel.ld"
    command = [str(toolchain.ld), *link_flags(), "-T", str(script), "-o", str(elf), *objects]
    subprocess.run(command, check=True)
    kernel8 = out / "kernel8.img"
    kernel8.write_bytes(flat_bytes(elf, built.board.load_address))
    image = Image(kernel8=kernel8, blob=None, build_id=built.image.build_id)
    return SelfTest(built, image, frozenset(twinned))


def global_functions(path: str) -> set[str]:
    """What an object file offers to others."""
    with Path(path).open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
            and symbol["st_info"]["bind"] == "STB_GLOBAL"
            and symbol["st_shndx"] != "SHN_UNDEF"
        }


LONGEST_S = 120.0  # seconds are enough where nothing else runs


@pytest.mark.parametrize("cpu", CPUS)
def test_neon_twins_equal_their_portable_originals(selftest: SelfTest, cpu: str) -> None:
    report = b""
    log = selftest.image.kernel8.with_suffix(".log")
    with boot(selftest.image, selftest.built.board, cpu=cpu, log=log) as target:
        try:
            deadline = time.monotonic() + LONGEST_S * timeout_scale()
            while b"END PANIC" not in report and time.monotonic() < deadline:
                report += target.stream.read(1.0)
        except StreamEnded:
            pass  # it powered off
    lines = report.decode("utf-8", "replace").splitlines()
    results = [line for line in lines if line.startswith("SELFTEST")]
    assert "SELFTEST end" in results, report
    assert "SELFTEST all ok" in results, report
    passed = {line.removeprefix("SELFTEST ").partition(" ok (")[0] for line in results}
    left_out = {op for op in selftest.twinned if f"SELFTEST {op} not on this CPU" in results}
    assert {op.rpartition("_")[2] for op in left_out} == LACKS[cpu]
    passed |= left_out
    assert {
        "vec_add",
        "matvec_q4_k",
        "matvec_q4_k_dotprod",
        "gemm_q4_k_dotprod",
        "gemm_q4_k_i8mm",
        "attention_f16",
    } <= selftest.twinned
    untested = {op for op in selftest.twinned if TESTED_TOGETHER.get(op, op) not in passed}
    assert not untested
