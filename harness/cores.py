"""How many cores of this machine are ours to use."""

import os
from pathlib import Path


def cores() -> int:
    """At least 1. What the scheduler allows this process, or less in a container with a quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # "200000 100000" is two cores, "max 100000" no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed or 1, int(quota) // int(period)))
    except (OSError, ValueError):
        return allowed or 1
