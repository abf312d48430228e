"""--smp: how many cores, as far as the kernel can use them."""

from harness.errors import HarnessError


def check_smp(n_cpus: int) -> None:
    """HarnessError for anything but one core."""
    if n_cpus != 1:
        raise HarnessError(
            f"--smp {n_cpus}: the kernel runs on one core so far", hint="leave --smp out"
        )
