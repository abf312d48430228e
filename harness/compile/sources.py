"""Which files make the kernel and which make the twin, by folder; and what each one includes."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL_DIR = ROOT / "kernel"
LAYERS = ("lib", "arch", "dev", "platform", "smp", "nn", "llm", "link")
PORTABLE_LAYERS = ("lib", "smp", "nn", "llm", "link")
ROOTS = ("main", "twin", "bench")  # composition roots in kernel/app: one per program
BARE_ONLY = ("smp/cores.c", "smp/wait_arm.c")  # real cores
# Of the kernel's other folders, what the chainloader is made of. It has a smaller crc32() itself.
LOADER_SHARES = (
    *("arch/cache.S", "dev/gpio_bcm2835.c", "dev/mailbox.c", "dev/uart.c", "dev/uart_8250.c"),
    *(
        "dev/uart_mini.c",
        "dev/uart_pl011.c",
        "lib/format.c",
        "lib/string.c",
        "link/frame.c",
        "platform/pi.c",
    ),
)
LIBC_HAS = ("lib/string.c",)  # the twin takes these from the host's libc

INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.M)


def kernel_sources(app: str = "main") -> list[str]:
    """Sources of the kernel, as paths below kernel/, in a fixed order."""
    return _folder_sources(LAYERS, "*.[cS]") + _app_sources(app)


def twin_sources() -> list[str]:
    """Portable sources for the host: no NEON file, nothing that the host's libc has."""
    portable = [
        source
        for source in _folder_sources(PORTABLE_LAYERS, "*.c")
        if "_neon" not in source and source not in LIBC_HAS + BARE_ONLY
    ]
    return portable + _app_sources("twin")


def loader_sources() -> list[str]:
    """Sources of the chainloader: its own, and what it shares with the kernel."""
    return _folder_sources(("loader",), "*.[cS]") + list(LOADER_SHARES)


def _folder_sources(layers: tuple[str, ...], pattern: str) -> list[str]:
    files = (file for layer in layers for file in sorted((KERNEL_DIR / layer).glob(pattern)))
    return [file.relative_to(KERNEL_DIR).as_posix() for file in files]


def _app_sources(app: str) -> list[str]:
    """Those of no root, and the root's own: app/ROOT.c and app/ROOT_*.c."""
    others = re.compile(rf"app/(?:{'|'.join(root for root in ROOTS if root != app)})(?:_\w+)?\.c")
    return [source for source in _folder_sources(("app",), "*.c") if not others.fullmatch(source)]


def included_files(source: Path, include_dirs: tuple[Path, ...]) -> list[Path]:
    """The source and every header of ours it reaches, sorted; system headers are not looked at."""
    reached: set[Path] = set()
    waiting = [source]
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        for name in _included_names(file, file.stat().st_mtime_ns):
            for folder in (file.parent, *include_dirs):
                if (folder / name).is_file():
                    waiting.append(folder / name)
                    break
    return sorted(reached)


@cache
def _included_names(file: Path, _mtime_ns: int) -> tuple[str, ...]:
    return tuple(name.decode() for name in INCLUDE.findall(file.read_bytes()))
