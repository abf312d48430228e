"""--smp: how many cores the machine has, and with them the kernel."""

from harness.errors import HarnessError
from harness.plan.buffers import MAX_CORES


def check_smp(n_cpus: int, *, icount: bool = False) -> None:
    """HarnessError for a number of cores that the kernel cannot use, or cannot count on."""
    if not 1 <= n_cpus <= MAX_CORES:
        raise HarnessError(
            f"--smp {n_cpus}: the kernel uses 1 to {MAX_CORES} cores",
            hint=f"--smp {min(max(n_cpus, 1), MAX_CORES)}",
        )
    if icount and n_cpus > 1:
        raise HarnessError(
            f"--icount --smp {n_cpus}: QEMU counts the instructions of all cores as one, "
            "their waiting too",
            hint="leave --smp out",
        )
