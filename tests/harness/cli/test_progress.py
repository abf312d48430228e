"""harness/cli/progress.py: what a bar says of bytes that go somewhere."""

import io
import sys
import time

import pytest

from harness.cli.progress import Bar


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


def test_nobody_watching_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Bar("writing", 10, "B")
    shown.advance(10)
    shown.clear()
    assert capsys.readouterr().err == ""
