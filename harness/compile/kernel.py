"""Generated headers + kernel/ -> kernel.elf, checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.compile.elf import Elf, check_elf, check_objects
from harness.compile.objects import compile_objects, run_tool
from harness.compile.operations import check_operations, operations
from harness.compile.sources import KERNEL_DIR, kernel_sources
from harness.errors import CompileError
from harness.plan import MemoryPlan
from toolchain import Toolchain, compile_flags, link_flags

# What decides whether an ELF passes: another check is asked of an ELF that passed the old one.
CHECKS = tuple(Path(__file__).with_name(name) for name in ("elf.py", "operations.py"))


@dataclass(frozen=True)
class Kernel:
    """A linked and checked kernel."""

    elf: Path
    map: Path
    compiled: int  # sources compiled this time; the others were unchanged
    linked: bool  # False: the ELF of last time is still right
    warnings: str


def compile_kernel(
    headers_dir: Path,
    toolchain: Toolchain,
    out_dir: Path,
    plan: MemoryPlan,
    *,
    app: str = "main",
) -> Kernel:
    """Compile and link the kernel for the headers in `headers_dir`/gen, then check the result.

    CompileError: a source does not compile, or the ELF is not what was planned and promised. `app`
    names another composition root in kernel/app; only `main` promises all operations.
    """
    headers_dir = headers_dir.resolve()
    script = headers_dir / "gen" / "kernel.ld"
    if not script.is_file():
        raise CompileError(f"{script} is not there: headers must be generated before compiling")
    out_dir = out_dir.resolve()
    elf, map_file = out_dir / "kernel.elf", out_dir / "kernel.map"
    includes = [f"-I{KERNEL_DIR}", f"-I{headers_dir}"]
    objects = compile_objects(
        kernel_sources(app),
        lambda source: [str(toolchain.cc), *compile_flags(toolchain.kind, source), *includes],
        identity=str(toolchain),
        include_dirs=(headers_dir,),
        out_dir=out_dir / "obj",
    )
    link = [str(toolchain.ld), *link_flags(), f"-Map={map_file}", "-T", str(script)]
    link += ["-o", str(elf), *map(str, objects.files)]
    key = _link_key([str(toolchain), app, plan.as_dict(), link], script, objects.keys)
    key_file = out_dir / "obj" / "kernel.key"
    if elf.is_file() and key_file.is_file() and key_file.read_text() == key + _sha256(elf):
        return Kernel(elf, map_file, objects.compiled, False, objects.warnings)
    key_file.unlink(missing_ok=True)
    check_objects(objects.files)
    warnings = run_tool(link, "the kernel does not link")
    linked = Elf.read(elf)
    check_elf(linked, plan)
    if app == "main":
        kind, vectors = plan.architecture, plan.n_texts > 0
        check_operations(operations(linked, kind, vectors=vectors), kind, vectors=vectors)
    key_file.write_text(key + _sha256(elf))
    return Kernel(elf, map_file, objects.compiled, True, objects.warnings + warnings)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _link_key(inputs: list[object], script: Path, objects: tuple[str, ...]) -> str:
    """What the ELF is made from and checked against, in one hash."""
    digest = hashlib.sha256(repr(inputs).encode())
    for file in (script, *CHECKS):
        digest.update(file.read_bytes())
    for obj in objects:
        digest.update(obj.encode() + b"\0")
    return digest.hexdigest()
