"""Compiles C tests of the kernel for this machine, with sanitizers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.compile.objects import compile_objects
from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import compiler_identity, has_x86_fma, native_compiler
from toolchain.flags import twin_flags


def build_program(
    out_dir: Path,
    driver: Path,
    kernel_sources: Sequence[str],
    defines: Sequence[str] = (),
    *,
    instead: Path | None = None,
) -> Path:
    """The program of `driver` (a C file with main) and some sources below kernel/.

    A source with an absolute path is a part of the driver.

    Generated headers are looked for in out_dir/gen. Headers below `instead` replace the kernel's.
    """
    program = out_dir / driver.stem
    compiler = native_compiler()
    flags = [*twin_flags(x86_fma=has_x86_fma(), sanitize=True), "-Werror"]
    flags += [f"-D{define}" for define in defines]
    generated = (*([instead] if instead else []), out_dir)
    command = [compiler, *flags, *(f"-I{folder}" for folder in (*generated, KERNEL_DIR))]
    own = [str(driver), *(source for source in kernel_sources if Path(source).is_absolute())]
    objects = compile_objects(
        [source for source in kernel_sources if source not in own],
        lambda _: command,
        identity=compiler_identity(compiler),
        include_dirs=generated,
        out_dir=out_dir / f"obj-{driver.stem}",
    )
    files = [*own, *map(str, objects.files)]
    subprocess.run([*command, *files, "-o", str(program), "-lm"], check=True)
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
