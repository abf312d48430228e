"""`doctor`: what this machine has and what it lacks. Imports nothing that may be missing."""

import argparse
import grp
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.board import known_boards
from harness.emulator import QEMU_OLDEST, emulators
from harness.errors import HarnessError
from toolchain import find_toolchain

PACKAGES = {
    "capstone": "capstone",
    "elftools": "pyelftools",
    "gguf": "gguf",
    "jinja2": "jinja2",
    "numpy": "numpy",
    "qemu.qmp": "qemu.qmp",
    "serial": "pyserial",
}
CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "max")  # what the tests run on
INSTALL_QEMU = "apt install qemu-system-arm"
SERIAL_GROUPS = ("dialout", "uucp")  # who may open a serial port: Debian, Arch


@dataclass(frozen=True)
class Finding:
    """One thing looked at; not ok and not needed is a remark, not a fault."""

    name: str
    ok: bool
    found: str
    hint: str = ""
    needed: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the compiler can be chosen."""
    parser.add_argument("--cc", metavar="PATH", help="compiler (default: the newest clang found)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Exit 0 when everything needed is there, 2 when not."""
    findings = [_python(), *_packages(), _cross_compiler(args.cc), _native_compiler(), *_qemu()]
    findings += [_mtools(), _firmware(), _serial()]
    ok = all(finding.ok for finding in findings if finding.needed)
    if args.json:
        print(json.dumps({"ok": ok, "findings": [asdict(f) for f in findings]}))
    else:
        for finding in findings:
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "-"
            print(f"{mark:<9}{finding.name:<18}{finding.found}")
            if finding.hint and not finding.ok:
                print(f"{'':<9}{'':<18}hint: {finding.hint}")
        print("everything is there" if ok else "something is missing: `make run` installs it")
    return 0 if ok else 2


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, platform.python_version(), "3.11 or newer is needed")


def _packages() -> list[Finding]:
    findings = []
    for module, package in PACKAGES.items():
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # the parent of a dotted name
            there = False
        found = "installed" if there else "not installed"
        findings.append(Finding(f"python {package}", there, found, "pip install -e ."))
    return findings


def _cross_compiler(cc: str | None) -> Finding:
    try:
        return Finding("cross compiler", True, str(find_toolchain(cc)))
    except HarnessError as error:
        return Finding("cross compiler", False, str(error).splitlines()[0], error.hint)


def _native_compiler() -> Finding:
    path = next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))), None)
    hint = "apt install gcc libc6-dev (only the host twin in the tests needs it)"
    return Finding("native compiler", path is not None, path or "none", hint, needed=False)


def _qemu() -> list[Finding]:
    paths = emulators()
    if not paths:
        return [Finding("qemu", False, "not on PATH", INSTALL_QEMU)]
    findings = []
    for path in paths:
        words = _output([path, "--version"]).split("\n")[0].split()
        version = next((word for word in words if word[:1].isdigit()), "unknown version")
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        hint = f"{QEMU_OLDEST[0]}.{QEMU_OLDEST[1]} or newer is needed"
        findings.append(Finding("qemu", numbers >= QEMU_OLDEST, f"{version} ({path})", hint))
    machines = "".join(_output([path, "-M", "help"]) for path in paths)
    for board in known_boards():
        machine = board.machine.split(",")[0]
        if not machine:
            findings.append(Finding(f"board {board.name}", True, "no machine of QEMU's"))
            continue
        there = f"\n{machine} " in machines
        found = f"machine {machine}" + ("" if there else " is not in this QEMU")
        newer = f"QEMU {board.qemu_oldest} has it; on Debian 12: toolchain/newer_qemu.sh build/qemu"
        hint = newer if board.qemu_oldest else INSTALL_QEMU
        needed = not board.qemu_oldest
        findings.append(Finding(f"board {board.name}", there, found, hint, needed))
    known = _output([paths[0], "-M", "virt", "-cpu", "help"]).split()
    for cpu in CPUS:
        findings.append(
            Finding(f"cpu {cpu}", cpu in known, "emulated" if cpu in known else "not in this QEMU")
        )
    return findings


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _mtools() -> Finding:
    path = shutil.which("mformat")
    hint = "apt install mtools (only card images need it)"
    return Finding("mtools", path is not None, path or "none", hint, needed=False)


def _firmware() -> Finding:
    directory = Path("/usr/lib/raspi-firmware")  # of Debian's package; harness/image needs NumPy
    there = directory.is_dir()
    hint = "apt install raspi-firmware, section non-free-firmware (only cards of a Pi need it)"
    found = str(directory) if there else "none"
    return Finding("boot firmware", there, found, hint, needed=False)


def _serial() -> Finding:
    ports = sorted(str(p) for pattern in ("ttyUSB*", "ttyACM*") for p in Path("/dev").glob(pattern))
    mine = {*os.getgroups(), os.getegid()}
    groups = []
    for name in SERIAL_GROUPS:
        try:
            groups.append((name, grp.getgrnam(name).gr_gid))
        except KeyError:
            continue
    allowed = os.geteuid() == 0 or any(gid in mine for _, gid in groups)
    found = f"{', '.join(ports) or 'no USB serial port'}; access: {'yes' if allowed else 'no'}"
    group = groups[0][0] if groups else SERIAL_GROUPS[0]
    hint = f"usermod -aG {group} $USER, then log in again (only real boards need it)"
    return Finding("serial", allowed, found, hint, needed=False)
