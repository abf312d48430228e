"""A block device that is a file, where this machine and user may have one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def loop_device(backing: Path) -> Iterator[str]:
    """Its path; the test skips where there is none to be had."""
    if os.geteuid() != 0:
        pytest.skip("a loop device needs root")
    try:
        done = subprocess.run(
            ["losetup", "--find", "--show", str(backing)], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("losetup (package mount) is not installed")
    if done.returncode:
        pytest.skip(f"losetup cannot make a device here: {done.stderr.strip()}")
    path = done.stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["losetup", "--detach", path], check=True)


def number_of(path: str) -> str:
    """major:minor, as lsblk says it."""
    found = os.stat(path)  # noqa: PTH116 st_rdev of a device
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
