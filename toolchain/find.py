"""Finds a compiler and linker for AArch64: the newest clang with its lld, else a cross gcc."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ToolchainError

MIN_CLANG = (
    16  # the oldest that the kernel is built with; 14 (Debian 12's plain clang) lacks lld fixes
)
MIN_GCC = 10  # the first with -mno-outline-atomics
GCC_NAMES = ("aarch64-linux-gnu-gcc", "aarch64-none-elf-gcc")
LOOKED_FOR = f"clang-N + ld.lld-N (N >= {MIN_CLANG}), clang + ld.lld, " + ", ".join(GCC_NAMES)
INSTALL_HINT = (
    "apt install clang-19 lld-19 (any version from 16 on), or pass --cc /path/to/compiler"
)


@dataclass(frozen=True)
class Toolchain:
    """A compiler driver for C and assembly, and the linker that goes with it."""

    kind: Literal["clang", "gcc"]
    cc: Path
    ld: Path
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.version} ({self.cc}, {self.ld})"


def find_toolchain(cc: str | None = None) -> Toolchain:
    """The compiler named by `cc`, else the newest usable one on PATH; ToolchainError if none."""
    if cc is not None:
        return _named(cc)
    rejected: list[str] = []
    for compiler in _candidates():
        try:
            return _examine(compiler)
        except ToolchainError as error:
            rejected.append(str(error))
    found = "".join(f"\n  found: {reason}" for reason in rejected)
    raise ToolchainError(
        f"no AArch64 compiler found\n  looked for: {LOOKED_FOR} (PATH){found}", hint=INSTALL_HINT
    )


def _named(cc: str) -> Toolchain:
    path = shutil.which(cc)
    if path is None:
        raise ToolchainError(f"--cc {cc}: no such program", hint=INSTALL_HINT)
    return _examine(Path(path))


def _candidates() -> Iterator[Path]:
    """In order of preference: clang-N from the newest down, clang, the cross gccs."""
    versioned: dict[int, Path] = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if not folder or not Path(folder).is_dir():
            continue
        for program in Path(folder).iterdir():
            match = re.fullmatch(r"clang-(\d+)", program.name)
            if match and os.access(program, os.X_OK):
                versioned.setdefault(int(match[1]), program)
    for number in sorted(versioned, reverse=True):
        if number >= MIN_CLANG:
            yield versioned[number]
    for name in ("clang", *GCC_NAMES):
        path = shutil.which(name)
        if path is not None:
            yield Path(path)


def _examine(cc: Path) -> Toolchain:
    """Ask the compiler what it is; ToolchainError says why it cannot be used."""
    banner = _ask(cc, "--version")
    first_line = banner.splitlines()[0] if banner else ""
    clang = re.search(r"clang version (\d+)(\.\d+)*", banner)
    if clang:
        version = clang[0].removeprefix("clang version ")
        if int(clang[1]) < MIN_CLANG:
            raise ToolchainError(
                f"{cc} is clang {version}, {MIN_CLANG} or newer is needed", hint=INSTALL_HINT
            )
        return Toolchain("clang", cc, _lld_for(cc, clang[1]), version)
    gcc = re.search(r"\b(\d+)\.(\d+)(\.\d+)?\b", re.sub(r"\(.*?\)", "", first_line))
    if gcc is None:
        raise ToolchainError(f"{cc} is neither clang nor gcc: {first_line!r}", hint=INSTALL_HINT)
    machine = _ask(cc, "-dumpmachine").strip()
    if not machine.startswith("aarch64"):
        raise ToolchainError(
            f"{cc} compiles for {machine or 'an unknown machine'}, aarch64 is needed",
            hint=INSTALL_HINT,
        )
    if int(gcc[1]) < MIN_GCC:
        raise ToolchainError(f"{cc} is gcc {gcc[0]}, {MIN_GCC} or newer is needed")
    return Toolchain("gcc", cc, _ld_for(cc), gcc[0])


def _ask(cc: Path, question: str) -> str:
    try:
        answer = subprocess.run([cc, question], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ToolchainError(f"{cc} does not run: {exc}", hint=INSTALL_HINT) from exc
    return answer.stdout


def _lld_for(cc: Path, major: str) -> Path:
    """lld of the same version: beside the compiler, beside what it links to, or on PATH."""
    folders = (cc.parent, cc.resolve().parent)
    names = (f"ld.lld-{major}", "ld.lld") if cc.name != "clang" else ("ld.lld", f"ld.lld-{major}")
    for name in names:
        for folder in folders:
            if os.access(folder / name, os.X_OK) and _is_of(major, folder / name):
                return folder / name
        path = shutil.which(name)
        if path is not None and _is_of(major, Path(path)):
            return Path(path)
    raise ToolchainError(
        f"{cc} has no matching linker (looked for {' and '.join(names)})",
        hint=f"apt install lld-{major}",
    )


def _is_of(major: str, ld: Path) -> bool:
    match = re.search(r"LLD (\d+)", _ask(ld, "--version"))
    return match is not None and match[1] == major


def _ld_for(cc: Path) -> Path:
    asked = _ask(cc, "-print-prog-name=ld").strip()
    path = shutil.which(asked) if asked else None
    beside = cc.with_name(re.sub(r"gcc(-\d+)?$", "ld", cc.name))
    if path is not None:
        return Path(path)
    if os.access(beside, os.X_OK):
        return beside
    raise ToolchainError(f"{cc} has no linker (looked for {asked or beside})", hint=INSTALL_HINT)
