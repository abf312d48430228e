"""A person at a terminal: no frames, only text, and Ctrl-C stops the answer, not the machine."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boot import Target, boot
from harness.cli.pipeline import Built
from tests.target.machine import Workshop

pytestmark = pytest.mark.target

PROMPT = b"\n> "


@pytest.fixture
def built(workshop: Workshop, stories260k: Path) -> Built:
    return workshop.image(stories260k)


@pytest.fixture
def terminal(built: Built) -> Iterator["Terminal"]:
    with boot(built.image, built.board, log=built.directory / "terminal.log") as target:
        terminal = Terminal(target)
        terminal.until(b"> ")
        yield terminal


class Terminal:
    """What a serial terminal program would show."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.shown = b""

    def type(self, text: bytes) -> None:
        self.target.stream.write(text)

    def until(self, text: bytes, timeout_s: float = 30.0) -> bytes:
        """Everything shown up to and including `text`; the rest stays for later."""
        deadline = time.monotonic() + timeout_s
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.shown += self.target.stream.read(0.1)
        end = self.shown.index(text) + len(text)
        seen, self.shown = self.shown[:end], self.shown[end:]
        return seen


def test_a_typed_line_is_answered_with_text_alone(terminal: Terminal) -> None:
    terminal.type(b"/temp 0\r")
    terminal.until(PROMPT)
    terminal.type(b"Once upon a tixx\x7f\x7fme\r")
    answer = terminal.until(PROMPT)
    assert b"there was a little girl named Lily" in answer
    assert b"\x00" not in answer
    answer.decode("utf-8")


def test_ctrl_c_stops_the_answer_and_not_the_machine(terminal: Terminal) -> None:
    terminal.type(b"Once upon a time\r")
    terminal.until(b"time\r\n")
    terminal.type(b"\x03")
    terminal.until(PROMPT)
    terminal.type(b"/help\r")
    assert b"/temp" in terminal.until(PROMPT)


def test_garbage_does_not_lock_the_console(terminal: Terminal) -> None:
    terminal.type(b"\x00\xff\xfe garbage that never ends in a zero")
    time.sleep(0.6)  # longer than the silence that ends a frame
    terminal.type(b"\x15/help\r")
    assert b"/temp" in terminal.until(PROMPT)


def test_an_idle_console_costs_the_host_nothing(terminal: Terminal) -> None:
    pid = next(
        int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _is_child_qemu(stat)
    )
    before = _cpu_ticks(pid)
    time.sleep(3.0)
    used_s = (_cpu_ticks(pid) - before) / os.sysconf("SC_CLK_TCK")
    assert used_s < 0.3  # a tenth of one core; a busy wait would use all of it


def _is_child_qemu(stat: Path) -> bool:
    try:
        text = stat.read_text()
    except OSError:
        return False
    return "(qemu-system-" in text and int(text[text.rindex(")") + 2 :].split()[1]) == os.getpid()


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime, stime
