"""kernel/loader -> loader.elf -> the chainloader's flat image."""

from pathlib import Path

from harness.compile.elf import flat_bytes
from harness.compile.objects import compile_objects, run_tool
from harness.compile.sources import KERNEL_DIR, loader_sources
from toolchain import LOADER_SCRIPT, Toolchain, link_flags, loader_flags


def compile_loader(headers_dir: Path, toolchain: Toolchain, out_dir: Path) -> Path:
    """loader.img for the headers in headers_dir/gen; its linker script checks what it promises."""
    headers_dir, out_dir = headers_dir.resolve(), out_dir.resolve()
    includes = [f"-I{KERNEL_DIR}", f"-I{headers_dir}"]
    objects = compile_objects(
        loader_sources(),
        lambda source: [str(toolchain.cc), *loader_flags(toolchain.kind, source), *includes],
        identity=str(toolchain),
        include_dirs=(headers_dir,),
        out_dir=out_dir / "obj",
    )
    elf, image = out_dir / "loader.elf", out_dir / "loader.img"
    link = [str(toolchain.ld), *link_flags(), f"-Map={out_dir / 'loader.map'}"]
    link += ["-T", str(LOADER_SCRIPT), "-o", str(elf), *map(str, objects.files)]
    run_tool(link, "the loader does not link")
    image.write_bytes(flat_bytes(elf, 0))
    return image
