"""Where a board maker's boot firmware is on this machine; it is never part of the project."""

from collections.abc import Iterable, Sequence
from pathlib import Path

PACKAGE = "raspi-firmware"  # Debian and Ubuntu, section non-free-firmware
PACKAGE_DIRS = (Path("/usr/lib/raspi-firmware"),)
LICENCE = "LICENCE.broadcom"  # goes where the firmware goes; Debian's package has it elsewhere
# Debian's arm64 kernels bring the device trees that raspi-firmware lacks.
KERNEL_DIRS = ("/usr/lib", "linux-image-*/broadcom")


def package_directories() -> tuple[Path, ...]:
    """Where Debian's packages put firmware and device trees; the newest kernel first."""
    root, pattern = KERNEL_DIRS
    kernels = sorted(Path(root).glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    return (*PACKAGE_DIRS, *kernels)


def find_files(names: Iterable[str], directories: Sequence[Path]) -> dict[str, Path]:
    """Name -> the first directory's file of that name; without those that are nowhere."""
    found = {}
    for name in names:
        for directory in directories:
            if (directory / name).is_file():
                found[name] = directory / name
                break
    return found
