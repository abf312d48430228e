"""harness/boot/process.py: children end with us, and say how they ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.boot.process import Process

ROOT = Path(__file__).resolve().parents[3]
SH = "/bin/sh"


def is_alive(pid: int) -> bool:
    """Running, and not merely waiting to be reaped (by us or by init)."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_exit_status_and_complaints_are_told() -> None:
    process = Process([SH, "-c", "echo no such thing >&2; exit 3"])
    assert process.wait(10) == 3
    assert process.describe_end("sh") == "sh ended with exit status 3\nsh said:\nno such thing"
    assert process.stop() == 3
    assert "no such thing" in process.describe_end("sh")


def test_a_signal_is_named() -> None:
    process = Process([SH, "-c", "kill -SEGV $$"])
    assert process.describe_end("sh") == "sh was killed by signal 11 (SIGSEGV)"
    process.stop()


def test_a_program_that_is_not_there_is_told() -> None:
    process = Process(["/no/such/program"])
    assert process.wait(10) == 1
    assert "/no/such/program: No such file" in process.describe_end("it")
    process.stop()


@pytest.mark.slow
def test_stop_ends_a_program_that_ignores_sigterm() -> None:
    process = Process([SH, "-c", "trap '' TERM; echo ready >&2; while :; do sleep 1; done"])
    while "ready" not in process.stderr_tail():
        time.sleep(0.01)
    assert process.stop() == -signal.SIGKILL
    assert not is_alive(process.pid)


def test_ctrl_c_in_our_terminal_does_not_reach_the_child() -> None:
    process = Process([SH, "-c", "sleep 60"])
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        process.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_the_child_dies_with_a_parent_that_is_killed() -> None:
    script = (
        "from harness.boot.process import Process; import time\n"
        "print(Process(['/bin/sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while Path(f"/proc/{child}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        parent.kill()
    assert wait_until_gone(child)
