"""The kernel's portable sources as a program of this machine."""

import platform
import shutil
from pathlib import Path

from harness.compile.objects import compile_objects, run_tool
from harness.compile.sources import KERNEL_DIR, twin_sources
from harness.errors import ToolchainError
from toolchain.flags import twin_flags

NATIVE_COMPILERS = ("gcc", "cc", "clang", *(f"clang-{n}" for n in range(25, 15, -1)))


def compile_twin(
    headers_dir: Path, out_dir: Path, *, sanitize: bool = False, sanitize_threads: bool = False
) -> Path:
    """Build `twin` for the headers in headers_dir/gen.

    Or `twin-sanitize`, with ASan and UBSan; or `twin-threads`, with ThreadSanitizer, which does not
    go together with the others.
    """
    cc = native_compiler()
    headers_dir, out_dir = headers_dir.resolve(), out_dir.resolve()
    name = "twin-sanitize" if sanitize else "twin-threads" if sanitize_threads else "twin"
    flags = twin_flags(x86_fma=has_x86_fma(), sanitize=sanitize, sanitize_threads=sanitize_threads)
    command = [cc, *flags, f"-I{KERNEL_DIR}", f"-I{headers_dir}"]
    objects = compile_objects(
        twin_sources(),
        lambda _: command,
        identity=compiler_identity(cc),
        include_dirs=(headers_dir,),
        out_dir=out_dir / f"obj-{name}",
    )
    program, key_file = out_dir / name, out_dir / f"obj-{name}" / "twin.key"
    key = "".join(objects.keys)
    if not (program.is_file() and key_file.is_file() and key_file.read_text() == key):
        key_file.unlink(missing_ok=True)
        link = [cc, *flags, "-o", str(program), *map(str, objects.files), "-lm"]
        run_tool(link, "the twin does not link")
        key_file.write_text(key)
    return program


def native_compiler() -> str:
    """A C compiler for this machine, gcc first."""
    for name in NATIVE_COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise ToolchainError("no C compiler for this machine found", hint="apt install gcc libc6-dev")


def compiler_identity(cc: str) -> str:
    """Changes when another compiler takes this one's place."""
    return f"{cc} {Path(cc).resolve().stat().st_mtime_ns}"


def has_x86_fma() -> bool:
    """Whether this is an x86-64 CPU with FMA3."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpuinfo.is_file():
        return False
    flags = next((x for x in cpuinfo.read_text().splitlines() if x.startswith("flags")), "")
    return "fma" in flags.split()
