"""toolchain/newer_qemu.sh with programs of a test in place of apt and QEMU."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "toolchain" / "newer_qemu.sh"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The first folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def write_program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def newer_qemu(programs: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        [SCRIPT, directory], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_nothing_is_fetched_where_the_system_s_own_qemu_has_the_machine(
    programs: Path, tmp_path: Path
) -> None:
    write_program(programs / "qemu-system-aarch64", 'echo "raspi4b   Raspberry Pi 4B"')
    write_program(programs / "apt-get", f"touch {tmp_path}/called")
    done = newer_qemu(programs, tmp_path / "qemu")
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "qemu").iterdir()) == []
    assert not (tmp_path / "called").exists()


def test_packages_that_do_not_come_are_said_and_leave_no_qemu(
    programs: Path, tmp_path: Path
) -> None:
    write_program(programs / "qemu-system-aarch64", 'echo "virt   QEMU 7.2 ARM Virtual Machine"')
    write_program(programs / "apt-get", 'echo "E: Temporary failure resolving" >&2; exit 100')
    done = newer_qemu(programs, tmp_path / "qemu")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    if "VERSION_CODENAME=bookworm" in Path("/etc/os-release").read_text():
        assert "did not come: E: Temporary failure resolving" in done.stderr
    else:
        assert "only bookworm's backports are known here" in done.stderr
    assert not (tmp_path / "qemu" / "qemu-system-aarch64").exists()
