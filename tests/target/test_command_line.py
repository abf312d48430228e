"""`python -m harness` as a user starts it, while something around it goes wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.emulator import QEMU_PATH
from harness.link.stream import timeout_scale
from tests.models import ROOT, Models
from tests.target.machine import needs_qemu, qemu_pids

pytestmark = pytest.mark.target

# Thousands of tokens of a model of 3.5 million weights: minutes, if nothing ends it.
ENDLESS = ("-p", "Once upon a time", "-n", "-1", "--ignore-eos", "--temp", "0")
END_S = 60.0 * timeout_scale()


class Shell:
    """One model's verbs; its image is in `image`."""

    def __init__(self, model: Path, out: Path) -> None:
        self.arguments = ("-m", str(model), "-o", str(out))
        self.image = out / "virt" / model.stem

    def command(self, verb: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "harness", verb, *self.arguments, *arguments]


@pytest.fixture(scope="module")
def shell(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    needs_qemu()
    shell = Shell(models("tiny-Q4_K_M"), tmp_path_factory.mktemp("command-line"))
    subprocess.run(shell.command("build"), cwd=ROOT, check=True, capture_output=True)
    return shell


@contextmanager
def answering(shell: Shell) -> Iterator[subprocess.Popen[bytes]]:
    """`run` in the middle of a long answer."""
    with subprocess.Popen(
        shell.command("run", *ENDLESS), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.read(1), "no answer"
            yield running
        finally:
            running.kill()


def test_without_a_compiler_build_says_what_to_install(shell: Shell, tmp_path: Path) -> None:
    done = subprocess.run(
        shell.command("build"),
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), QEMU_PATH: ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: no AArch64 compiler found\n  looked for: clang")
    assert "\n  hint: apt install clang" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_qemu_run_says_what_to_install(shell: Shell, tmp_path: Path) -> None:
    image = Shell(shell.image, tmp_path)
    done = subprocess.run(
        image.command("run", "-p", "x"),
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), QEMU_PATH: ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "error: qemu-system-aarch64 is not installed" in done.stderr
    assert "\n  hint: apt install qemu-system-arm" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_qemu_killed_in_an_answer_is_named_with_its_signal(shell: Shell) -> None:
    with answering(shell) as running:
        (pid,) = qemu_pids(shell.image / "console.log")
        os.kill(pid, signal.SIGKILL)
        _, err = running.communicate(timeout=END_S)
    assert running.returncode == 3
    assert b"error: " in err
    assert b"QEMU was killed by signal 9 (SIGKILL)" in err
    assert b"Traceback" not in err


def test_ctrl_c_ends_an_answer_with_130_and_leaves_no_qemu(shell: Shell) -> None:
    with answering(shell) as running:
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=END_S)
    assert running.returncode == 130
    assert b"stop: abort" in err
    assert b"Traceback" not in err
    assert qemu_pids(shell.image / "console.log") == []


def test_a_reader_that_has_seen_enough_ends_the_answer_in_silence(shell: Shell) -> None:
    with answering(shell) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        err = running.stderr.read()
        running.wait(END_S)
    assert running.returncode == 0
    assert b"error" not in err
    assert b"Traceback" not in err
    assert qemu_pids(shell.image / "console.log") == []


def test_a_closed_stdout_is_no_bug_of_ours(shell: Shell) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *shell.command("run", "-p", "x", "-n", "2")]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
