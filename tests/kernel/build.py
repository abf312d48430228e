"""Compiles C tests of the kernel for this machine, with sanitizers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import has_x86_fma, native_compiler
from toolchain.flags import twin_flags


def build_program(
    out_dir: Path,
    driver: Path,
    kernel_sources: Sequence[str],
    defines: Sequence[str] = (),
    *,
    instead: Path | None = None,
) -> Path:
    """The program of `driver` (a C file with main) and some kernel sources.

    Generated headers are looked for in out_dir/gen. Headers below `instead` replace the kernel's.
    """
    program = out_dir / driver.stem
    subprocess.run(
        [
            native_compiler(),
            *twin_flags(x86_fma=has_x86_fma(), sanitize=True),
            "-Werror",
            *(f"-D{define}" for define in defines),
            *([f"-I{instead}"] if instead else []),
            f"-I{KERNEL_DIR}",
            f"-I{out_dir}",
            str(driver),
            *(str(KERNEL_DIR / source) for source in kernel_sources),
            "-o",
            str(program),
            "-lm",
        ],
        check=True,
    )
    return program


def run_program(program: Path, *args: str, stdin: bytes = b"", timeout_s: float = 120) -> bytes:
    """Its output; a sanitizer's finding is an error with the report."""
    done = subprocess.run(
        [str(program), *args], input=stdin, capture_output=True, timeout=timeout_s
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def write_header(path: Path, constants: dict[str, int | str]) -> None:
    """A generated header with nothing but constants."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"#define {name} {value}" for name, value in constants.items()]
    path.write_text("#pragma once\n" + "\n".join(lines) + "\n")
