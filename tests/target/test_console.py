"""A person at a terminal: no frames, only text, and Ctrl-C stops the answer, not the machine."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.boot import Target, boot
from harness.cli.pipeline import Built
from harness.link.stream import timeout_scale
from tests.models import Models
from tests.target.machine import Workshop, greedy, qemu_pids

pytestmark = pytest.mark.target

PROMPT = b"\n> "
ANSWERED = b"]\r\n> "  # statistics in brackets, then the prompt
N_ANSWER = 40
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


@pytest.fixture(scope="module")
def built(workshop: Workshop, models: Models) -> Built:
    return workshop.image(models("micro-F32"))


@pytest.fixture
def terminal(built: Built) -> Iterator["Terminal"]:
    with open_terminal(built) as terminal:
        yield terminal


@contextmanager
def open_terminal(built: Built) -> Iterator["Terminal"]:
    log = built.directory / "terminal.log"
    with boot(built.image, built.board, log=log) as target:
        terminal = Terminal(target, log)
        terminal.until(b"> ")
        yield terminal


class Terminal:
    """What a serial terminal program would show."""

    def __init__(self, target: Target, log: Path) -> None:
        self.target = target
        self.log = log
        self.shown = b""

    def type(self, text: bytes) -> None:
        self.target.stream.write(text)

    def until(self, text: bytes, timeout_s: float = 30.0) -> bytes:
        """Everything shown up to and including `text`; the rest stays for later."""
        deadline = time.monotonic() + timeout_s * timeout_scale()
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.shown += self.target.stream.read(0.1)
        end = self.shown.index(text) + len(text)
        seen, self.shown = self.shown[:end], self.shown[end:]
        return seen


def answer_to_a_corrected_line(terminal: Terminal) -> bytes:
    """What follows the echo of "Once upon a time", up to the statistics."""
    terminal.type(b"/temp 0\r")
    terminal.until(PROMPT)
    terminal.type(b"/n %d\r" % N_ANSWER)
    terminal.until(PROMPT)
    terminal.type(b"Once upon a tixx\x7f\x7fme\r")
    terminal.until(b"me\r\n")
    answer, _, statistics = terminal.until(ANSWERED).rpartition(b"\r\n[")
    assert b"prompt tokens" in statistics
    return answer


@pytest.mark.parametrize("model", ["micro-F32", "stories260K-F32"], indirect=True)
def test_a_typed_line_is_answered_with_the_text_that_the_link_carries(
    workshop: Workshop, model: Path
) -> None:
    built = workshop.image(model)
    by_link = workshop.answer(built, "Once upon a time", greedy(N_ANSWER), want_logits=False)
    with open_terminal(built) as terminal:
        shown = answer_to_a_corrected_line(terminal)
    assert len(by_link.ids) > 1
    assert shown.decode() == by_link.text.translate(CONTROLS).replace("\n", "\r\n")


def test_a_trained_model_tells_its_story_at_the_console(
    workshop: Workshop, stories260k: Path
) -> None:
    with open_terminal(workshop.image(stories260k)) as terminal:
        assert b"there was a little girl named Lily" in answer_to_a_corrected_line(terminal)


def test_ctrl_c_stops_the_answer_and_not_the_machine(terminal: Terminal) -> None:
    terminal.type(b"Once upon a time\r")
    terminal.until(b"time\r\n")
    terminal.type(b"\x03")
    assert b"^C\r\n[" in terminal.until(ANSWERED)
    terminal.type(b"/help\r")
    assert b"/temp" in terminal.until(PROMPT)


def test_garbage_does_not_lock_the_console(terminal: Terminal) -> None:
    terminal.type(b"\x00\xff\xfe garbage that never ends in a zero")
    time.sleep(0.6)  # longer than the silence that ends a frame
    terminal.type(b"\x15/help\r")
    assert b"/temp" in terminal.until(PROMPT)


def test_an_idle_console_costs_the_host_nothing(terminal: Terminal) -> None:
    (pid,) = qemu_pids(terminal.log)
    before = _cpu_ticks(pid)
    time.sleep(3.0)
    used_s = (_cpu_ticks(pid) - before) / os.sysconf("SC_CLK_TCK")
    assert used_s < 0.3  # a tenth of one core; a busy wait would use all of it


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime, stime
