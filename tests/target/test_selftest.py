"""Every NEON twin against its portable original, on the bare machine, per CPU and compiler."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

from harness.boot import boot
from harness.cli.pipeline import Built
from harness.compile import flat_bytes
from harness.compile.sources import KERNEL_DIR, ROOT, kernel_sources
from harness.image import Image
from harness.link.stream import StreamEnded
from tests.target.machine import CPUS, Workshop
from toolchain import compile_flags, find_toolchain, link_flags

pytestmark = pytest.mark.target

COMPILERS = ("clang", "aarch64-linux-gnu-gcc")
SELFTEST = ROOT / "tests" / "kernel" / "nn"


@pytest.fixture(scope="module", params=COMPILERS)
def image(
    request: pytest.FixtureRequest,
    workshop: Workshop,
    tiny_q4_k_m: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Built, Image]:
    """The product's objects, with the self-test in place of kernel/app."""
    if request.param != "clang" and which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    built = workshop.image(tiny_q4_k_m)
    toolchain = find_toolchain(None if request.param == "clang" else request.param)
    out = tmp_path_factory.mktemp("selftest")
    sources = [
        (KERNEL_DIR / source, source) for source in kernel_sources() if not source.startswith("app")
    ]
    sources.append((SELFTEST / "selftest.c", "nn/selftest.c"))
    sources.append((SELFTEST / "selftest_main.c", "app/main.c"))
    objects = []
    for number, (file, source) in enumerate(sources):
        objects.append(str(out / f"{number}.o"))
        command = [str(toolchain.cc), *compile_flags(toolchain.kind, source)]
        command += [f"-I{KERNEL_DIR}", f"-I{built.directory}", "-c", str(file), "-o", objects[-1]]
        subprocess.run(command, check=True)
    elf = out / "kernel.elf"
    script = built.directory / "gen" / "kernel.ld"
    command = [str(toolchain.ld), *link_flags(), "-T", str(script), "-o", str(elf), *objects]
    subprocess.run(command, check=True)
    kernel8 = out / "kernel8.img"
    kernel8.write_bytes(flat_bytes(elf, built.board.load_address))
    return built, Image(kernel8=kernel8, blob=None, build_id=built.image.build_id)


@pytest.mark.parametrize("cpu", CPUS)
def test_neon_twins_equal_their_portable_originals(image: tuple[Built, Image], cpu: str) -> None:
    built, selftest = image
    report = b""
    log = selftest.kernel8.with_suffix(".log")
    with boot(selftest, built.board, cpu=cpu, log=log) as target:
        try:
            while b"END PANIC" not in report:
                report += target.stream.read(60.0)
        except StreamEnded:
            pass  # it powered off
    lines = report.decode("utf-8", "replace").splitlines()
    results = [line for line in lines if line.startswith("SELFTEST")]
    assert "SELFTEST end" in results, report
    assert "SELFTEST all ok" in results, report
    assert sum(" ok" in line for line in results) > 15
