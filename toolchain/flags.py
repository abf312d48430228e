"""Every compiler and linker flag, with the reason beside it."""

from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Literal

Kind = Literal["clang", "gcc"]
Flags = tuple[tuple[str, str], ...]  # (flag, why)

HIDDEN_H = Path(__file__).parent / "hidden.h"
LOADER_SCRIPT = Path(__file__).parent / "loader.ld"

COMMON: Flags = (
    ("-std=c17", "the language of the kernel"),
    ("-O2", "-O3 makes it larger, not faster: the hot loops are written with vector types"),
    ("-Wall", "warnings are read: the build fails on them in the tests"),
    ("-Wextra", "as above"),
    ("-Wno-unused-parameter", "portable and NEON twins share a signature; not all need all of it"),
    ("-ffp-contract=off", "a*b+c is two roundings unless fma is written: the same bits everywhere"),
    ("-fno-math-errno", "sqrtf is the one instruction fsqrt, not a call that may set errno"),
    ("-fno-strict-aliasing", "weights and planned buffers are bytes seen as several types"),
)

KERNEL: Flags = (
    ("-ffreestanding", "no libc; memcpy and friends are kernel/lib/string.c"),
    ("-fPIE", "runs where the firmware put it: addresses by adrp + add, no relocations"),
    ("-fvisibility=hidden", "one image: no symbol can be replaced, so none needs a GOT entry"),
    ("-fno-stack-protector", "its guard value would be a global that nobody sets up"),
    ("-mno-outline-atomics", "LSE detection is a libgcc helper that reads Linux's hwcaps"),
    ("-fno-omit-frame-pointer", "the panic backtrace walks frame records"),
    ("-ffunction-sections", "--gc-sections drops what no model needs"),
    ("-fdata-sections", "as above"),
    ("-fno-asynchronous-unwind-tables", "nothing unwinds; .eh_frame would be loaded for nothing"),
    ("-fno-common", "a tentative definition in two files is an error, not a merge"),
    ("-DNN_NEON", "nn/ops.h picks the NEON twins"),
)

CLANG: Flags = (
    ("--target=aarch64-none-elf", "clang is a cross compiler for every target"),
    ("-Wframe-larger-than=8191", "a larger frame could jump over the 8 KiB guard below a stack"),
)
GCC: Flags = (
    ("-fno-tree-loop-distribute-patterns", "or the loop in memcpy() becomes a call of memcpy()"),
    (
        "-fstack-clash-protection",
        "a frame larger than a page touches every page: no jump over a guard",
    ),
    ("--param=stack-clash-protection-guard-size=12", "2^12: a page; AArch64's default is 64 KiB"),
    ("-Wno-psabi", "notes about ABI changes of older gccs concern nobody here"),
)

# Before the MMU is on all memory is Device memory: an unaligned access faults, and so does a vector
# access that is aligned for its elements only. After a trap the vector registers are the user's.
BEFORE_MMU: Flags = (
    ("-march=armv8-a", "the least common AArch64"),
    ("-mgeneral-regs-only", "no vector registers in early boot and in exception handlers"),
    ("-mstrict-align", "unaligned access faults while the MMU is off"),
)
COMPUTE: Flags = (("-march=armv8-a", "plain NEON; newer instructions are chosen at run time"),)
TIERS: dict[str, Flags] = {  # by the end of the file's name
    "_dotprod_neon.c": (("-march=armv8.2-a+dotprod", "SDOT; called only where all cores have it"),),
    "_i8mm_neon.c": (("-march=armv8.2-a+dotprod+i8mm", "SMMLA; as above"),),
}
# Their hot loops are written in the order that they should run in.
PRODUCTS = ("nn/mat*_neon.c", "nn/gemm_*_i8mm_neon.c")
CLANG_PRODUCTS: Flags = (
    ("-mllvm", "an option of LLVM follows"),
    ("-enable-misched=false", "the scheduler would move loads up until vectors spill: +20 %"),
)
CRC: Flags = (
    ("-march=armv8-a+crc", "the crc32x instruction; called only where the CPU has it"),
    ("-mgeneral-regs-only", "as the rest of arch/"),
    ("-mstrict-align", "as the rest of arch/"),
)
ASSEMBLY: Flags = (("-march=armv8-a+fp+simd", "assembly says itself what it uses"),)

TWIN: Flags = (
    ("-DTWIN", "built as a host program"),
    ("-fno-omit-frame-pointer", "readable backtraces from the sanitizers"),
    ("-pthread", "its cores are threads"),
)
SANITIZE: Flags = (
    ("-g", "file and line in reports"),
    ("-fsanitize=address,undefined", "memory errors and undefined behaviour, on the real code"),
    ("-fno-sanitize-recover=all", "a finding ends the program, so that a test sees it"),
)
SANITIZE_THREADS: Flags = (
    ("-g", "file and line in reports"),
    ("-fsanitize=thread", "a read of another core's data that no barrier puts in order"),
)

LINK: Flags = (
    ("-static", "one image, no dynamic linker"),
    ("--no-dynamic-linker", "no .interp"),
    ("--gc-sections", "only what kernel_main reaches is in the image"),
    ("--fatal-warnings", "a linker warning is a fault that has not happened yet"),
    ("--build-id=none", "a note would be loaded; the build id is in the blob's header"),
    ("-znoexecstack", "the planned stack is data"),
    ("-zmax-page-size=4096", "segments are packed to pages; permissions follow 4 KiB borders"),
)

GENERAL_LAYERS = frozenset({"arch", "dev", "platform", "lib", "loader"})
BOOT_FILES = frozenset({"app/main.c", "app/bench.c"})  # of app, what runs before the MMU is on
FLOAT_FILES = frozenset({"lib/math.c", "lib/f16.c"})


def compile_flags(kind: Kind, source: str) -> list[str]:
    """Flags for one kernel source, named by its path below kernel/ (`nn/rope.c`)."""
    own = CLANG if kind == "clang" else GCC
    tables = [COMMON, own, KERNEL, _machine(source)]
    if kind == "clang" and any(fnmatch(source, pattern) for pattern in PRODUCTS):
        tables.append(CLANG_PRODUCTS)
    flags = [flag for table in tables for flag, _ in table]
    if not source.endswith(".S"):
        flags += ["-include", str(HIDDEN_H)]
    return flags


def loader_flags(kind: Kind, source: str) -> list[str]:
    """Flags for a source of the chainloader, all of which runs with the MMU off."""
    machine = ASSEMBLY if source.endswith(".S") else BEFORE_MMU
    own = CLANG if kind == "clang" else GCC
    flags = [flag for table in (COMMON, own, KERNEL, machine) for flag, _ in table]
    return flags if source.endswith(".S") else [*flags, "-include", str(HIDDEN_H)]


def _machine(source: str) -> Flags:
    path = PurePath(source)
    if path.suffix == ".S":
        return ASSEMBLY
    if path.name == "crc32_arm.c":
        return CRC
    for ending, flags in TIERS.items():
        if source.endswith(ending):
            return flags
    early = path.parts[0] in GENERAL_LAYERS or source in BOOT_FILES
    return BEFORE_MMU if early and source not in FLOAT_FILES else COMPUTE


def twin_flags(*, x86_fma: bool, sanitize: bool, sanitize_threads: bool = False) -> list[str]:
    """Flags for the host twin: the same C, compiled natively. `x86_fma`: an x86 CPU with FMA3."""
    flags = [flag for table in (COMMON, TWIN) for flag, _ in table]
    if x86_fma:
        flags.append("-mfma")  # fmaf is one instruction; without it libm computes the same bits
    if sanitize:
        flags += [flag for flag, _ in SANITIZE]
    if sanitize_threads:
        flags += [flag for flag, _ in SANITIZE_THREADS]
    return flags


def link_flags() -> list[str]:
    """Flags for the linker called directly (ld.lld or GNU ld)."""
    return [flag for flag, _ in LINK]
