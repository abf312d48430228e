"""Image to running target: QEMU, a board on a serial line, or the host program."""

from harness.boot.qemu import boot
from harness.boot.target import Target
from harness.boot.twin import boot_twin

__all__ = ["Target", "boot", "boot_twin"]
