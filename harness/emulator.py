"""Where QEMU is: on PATH, and, for machines that one lacks, in HARNESS_QEMU_PATH."""

import os
import shutil

QEMU = "qemu-system-aarch64"
QEMU_OLDEST = (7, 2)  # Debian 12
QEMU_PATH = "HARNESS_QEMU_PATH"  # directories with further QEMUs, as in PATH


def emulators() -> list[str]:
    """Paths of the QEMUs that there are, in the order in which a machine is looked for in them."""
    folders = filter(None, os.environ.get(QEMU_PATH, "").split(os.pathsep))
    found = [shutil.which(QEMU), *(shutil.which(QEMU, path=folder) for folder in folders)]
    return list(dict.fromkeys(path for path in found if path))
