"""Generated headers + kernel/ -> kernel.elf, checked; and the host twin from the same sources."""

from harness.compile.elf import Elf, check_elf, flat_bytes
from harness.compile.kernel import Kernel, compile_kernel
from harness.compile.loader import compile_loader
from harness.compile.operations import (
    PROMISED,
    Operation,
    check_operations,
    extents,
    operations,
)
from harness.compile.symbolise import symbolise, symbolise_cores, symbolise_report
from harness.compile.twin import compile_twin

__all__ = [
    "PROMISED",
    "Elf",
    "Kernel",
    "Operation",
    "check_elf",
    "check_operations",
    "compile_kernel",
    "compile_loader",
    "compile_twin",
    "extents",
    "flat_bytes",
    "operations",
    "symbolise",
    "symbolise_cores",
    "symbolise_report",
]
