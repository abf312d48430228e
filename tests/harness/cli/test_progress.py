"""harness/cli/progress.py: what a bar says of bytes that go somewhere."""

import io
import sys
import time

import pytest

from harness.cli.main import print_error
from harness.cli.progress import Bar, note
from harness.errors import HarnessError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_of_bytes_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    clock = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    shown = Bar("writing", 100_000_000, "B")
    shown.advance(0)
    shown.advance(25_000_000)
    first, second = terminal.getvalue().split("\r")[1:]
    assert first == f"writing [{'':24}]   0%  0.0 kB/s\x1b[K"
    assert second == f"writing [{'#' * 6:<24}]  25%  6 MB/s  12 s left\x1b[K"


def test_a_terminal_gets_no_control_characters_of_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board's last lines are in it, or the name by which it calls itself."""
    error = HarnessError("last lines:\n\x1b[2J\x9b31mU-Boot\tready\x07", hint="h\x7fi")
    print_error(error)
    assert capsys.readouterr().err == f"error: {error}\n  hint: h\x7fi\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    print_error(error)
    note("board \x9b0m")
    wanted = "error: last lines:\n[2J31mU-Boot\tready\n  hint: hi\nboard 0m\n"
    assert terminal.getvalue() == wanted


def test_nobody_watching_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Bar("writing", 10, "B")
    shown.advance(10)
    shown.clear()
    assert capsys.readouterr().err == ""
