"""The verbs on a serial line: a pseudo-terminal with QEMU for a board at its other end."""

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.boot import boot
from harness.cli.pipeline import Built
from harness.link.stream import timeout_scale
from tests.cable import Cable, cable
from tests.models import ROOT
from tests.target.machine import Workshop

pytestmark = pytest.mark.target

END_S = 120.0


@dataclass
class Board:
    """A machine that talks through a serial adapter only, and its reset button."""

    built: Built
    cable: Cable
    qmp: Path
    how: str = ""  # after the port's name

    def command(self, verb: str, *arguments: str) -> list[str]:
        where = ["-m", str(self.built.directory), "--target", f"serial:{self.cable.port}{self.how}"]
        return [sys.executable, "-m", "harness", verb, *where, *arguments]

    def __call__(self, verb: str, *arguments: str) -> str:
        done = subprocess.run(
            self.command(verb, *arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=END_S * timeout_scale(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def reset(self) -> None:
        """QMP system_reset, as QEMU's manual has it."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.qmp))
            for command in ("qmp_capabilities", "system_reset"):
                control.sendall(json.dumps({"execute": command}).encode())
                while b'"return"' not in control.recv(4096):
                    pass


@pytest.fixture(scope="module")
def board(
    workshop: Workshop, tiny_q4_k_m: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Board]:
    built = workshop.image(tiny_q4_k_m)
    folder = tmp_path_factory.mktemp("bench")
    qmp = folder / "qmp"
    # The last word about resets: the machine starts again, where the harness's QEMU would end.
    extra = ["-action", "reboot=reset", "-qmp", f"unix:{qmp},server=on,wait=off"]
    with (
        boot(built.image, built.board, log=folder / "qemu.log", extra=extra) as target,
        cable(target.stream, folder) as wire,
    ):
        yield Board(built, wire, qmp)


@contextmanager
def chatting(board: Board) -> Iterator[subprocess.Popen[bytes]]:
    command = board.command("chat", "--raw", "-n", "100000", "--ignore-eos", "--temp", "0")
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as chat:
        try:
            yield chat
        finally:
            chat.kill()


def say(chat: subprocess.Popen[bytes], line: str) -> None:
    assert chat.stdin is not None
    chat.stdin.write(line.encode() + b"\n")
    chat.stdin.flush()
    assert chat.stdout is not None
    assert chat.stdout.read(1), "no answer"


def read_until(chat: subprocess.Popen[bytes], words: bytes) -> bytes:
    """Of stderr; stdout goes on meanwhile and is thrown away."""
    assert chat.stderr is not None
    assert chat.stdout is not None
    said = b""
    end = time.monotonic() + END_S * timeout_scale()
    while words not in said:
        left = end - time.monotonic()
        ready, _, _ = select.select([chat.stderr, chat.stdout], [], [], max(left, 0))
        assert ready, said
        if chat.stdout in ready:
            assert chat.stdout.read1(), said  # type: ignore[attr-defined]
        if chat.stderr in ready:
            more = chat.stderr.read1()  # type: ignore[attr-defined]
            assert more, said
            said += more
    return said


def test_the_verbs_answer_over_a_serial_line(workshop: Workshop, board: Board) -> None:
    prompt = ("-p", "Once upon", "-n", "6", "--temp", "0", "--ignore-eos", "--raw", "--json")
    over_serial = json.loads(board("run", *prompt))
    assert over_serial["timing"]["clock"] == "the board's"
    assert json.loads(board("run", *prompt))["ids"] == over_serial["ids"]  # it runs on
    assert json.loads(board("verify", *prompt))["ok"]
    speeds = json.loads(board("bench", "--ctx-list", "4", "-n", "2", "--json"))
    (run,) = speeds["runs"]
    assert run["n_prompt"] == 4
    assert run["decode_tokens_per_s"] > 0
    assert len(run["prompt_runs"]) == 3


def test_chat_goes_on_after_a_reset_and_after_a_lost_cable(board: Board) -> None:
    with chatting(board) as chat:
        say(chat, "one")
        board.reset()
        said = read_until(chat, b"begins afresh")
        assert b"the target has started again" in said
        say(chat, "two")
        board.cable.pull()
        said = read_until(chat, b"waiting for the board")
        assert b"is gone" in said
        board.cable.plug()
        read_until(chat, b"begins afresh")
        say(chat, "three")


def test_a_reset_ends_run_with_3(board: Board) -> None:
    command = board.command("run", "-p", "x", "--raw", "-n", "-1", "--ignore-eos")
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.read(1), "no answer"
        board.reset()
        _, err = running.communicate(timeout=END_S * timeout_scale())
    assert running.returncode == 3
    assert b"the target has started again" in err
    assert b"Traceback" not in err
