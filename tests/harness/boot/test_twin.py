"""harness/boot/twin.py: the host program behind pipes."""

import os
import resource
from pathlib import Path

import pytest

from harness.boot import boot_twin
from harness.errors import BootError, TargetError
from harness.link.stream import StreamEnded
from tests.harness.boot.test_process import wait_until_gone


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / "model.blob"
    path.write_bytes(b"weights")
    return path


def program(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "twin"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_bytes_go_both_ways_and_the_log_keeps_what_came(tmp_path: Path, blob: Path) -> None:
    twin = program(tmp_path, 'echo "$1 $2"; exec cat')
    log = tmp_path / "console.log"
    with boot_twin(twin, blob, log=log) as target:
        target.stream.write(b"x" * 5000)
        data = b""
        while len(data) < 5000 + len(f"--blob {blob}\n"):
            data += target.stream.read(5.0)
        assert target.stream.read(0.01) == b""
    assert data == f"--blob {blob}\n".encode() + b"x" * 5000
    assert log.read_bytes() == data
    assert target.command == (str(twin), "--blob", str(blob))


def test_descriptors_above_1023_work_too(tmp_path: Path, blob: Path) -> None:
    """select() ends there; a service that talks to many targets gets there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"at most {hard} descriptors here")
    twin = program(tmp_path, "exec cat")
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    try:
        while not taken or taken[-1] < 1024:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        with boot_twin(twin, blob) as target:
            target.stream.write(b"far")
            assert target.stream.read(5.0) == b"far"
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_missing_program_is_named(tmp_path: Path, blob: Path) -> None:
    with pytest.raises(BootError, match="nothing is not there"):
        boot_twin(tmp_path / "nothing", blob).__enter__()


def test_a_program_that_dies_is_told_at_the_next_read(tmp_path: Path, blob: Path) -> None:
    twin = program(tmp_path, "echo last words; echo 'ASan: overflow' >&2; exit 99")

    def talk() -> None:
        with boot_twin(twin, blob) as target:
            while True:
                target.stream.write(b"x")
                target.stream.read(5.0)

    with pytest.raises(StreamEnded, match=r"exit status 99(?s:.*)ASan: overflow"):
        talk()


def test_a_bad_end_is_an_error_even_after_good_answers(tmp_path: Path, blob: Path) -> None:
    twin = program(tmp_path, "cat; echo leak >&2; exit 23")

    def talk() -> None:
        with boot_twin(twin, blob):
            pass

    with pytest.raises(TargetError, match=r"exit status 23(?s:.*)leak"):
        talk()


@pytest.mark.slow
def test_nothing_is_left_after_an_exception(tmp_path: Path, blob: Path) -> None:
    twin = program(tmp_path, "echo $$; trap '' TERM; cat; exec sleep 60")
    pid = 0

    def talk() -> None:
        nonlocal pid
        with boot_twin(twin, blob) as target:
            pid = int(target.stream.read(5.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        talk()
    assert wait_until_gone(pid)
