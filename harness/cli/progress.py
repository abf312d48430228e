"""What a person sees on stderr while something takes long; nothing when nobody is watching."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# What a terminal may obey, were a model or a board to say it: C0, DEL, C1, not tab and newline.
CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}

WIDTH = 24
REDRAW_S = 0.1


class Bar:
    """`packing weights [####      ]  33%  410 MB/s  2 s left`, redrawn in place on a terminal."""

    def __init__(self, label: str, total: int, unit: str = "") -> None:
        self.label = label
        self.total = max(total, 1)
        self.unit = unit
        self.done = 0
        self._start = self._drawn = time.monotonic()
        self._tty = sys.stderr.isatty()

    def advance(self, amount: int) -> None:
        """`amount` more is done."""
        self.set(self.done + amount)

    def of(self, done: int, total: int) -> None:
        """`done` of `total` is done."""
        self.total = max(total, 1)
        self.set(done)

    def set(self, done: int) -> None:
        """`done` of the total is done."""
        self.done = done
        now = time.monotonic()
        if self._tty and now - self._drawn >= REDRAW_S:
            self._drawn = now
            share = min(self.done / self.total, 1.0)
            filled = "#" * round(share * WIDTH)
            print(
                f"\r{self.label} [{filled:<{WIDTH}}] {share:4.0%}  {self._rate(now)}\x1b[K",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip

    def clear(self) -> None:
        """Take the bar off the screen."""
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _rate(self, now: float) -> str:
        rate = self.done / max(now - self._start, 1e-9)
        if self.unit != "B":
            return f"{rate:.1f} {self.unit}/s"
        left_s = (self.total - self.done) / max(rate, 1e-9)
        speed = f"{rate / 1e6:.0f} MB/s" if rate >= 1e6 else f"{rate / 1e3:.1f} kB/s"
        return speed + (f"  {left_s:.0f} s left" if self.done else "")


@contextmanager
def bar(label: str, total: int = 1, unit: str = "") -> Iterator[Bar]:
    """A bar that is gone afterwards, whatever happens."""
    shown = Bar(label, total, unit)
    try:
        yield shown
    finally:
        shown.clear()


@contextmanager
def stage() -> Iterator[Callable[[str], None]]:
    """A function that names what is being computed, on a line that is gone afterwards."""
    shown = Bar("", 1)

    def name(what: str) -> None:
        if sys.stderr.isatty():
            shown.clear()
            print(f"{what} ...", end="", file=sys.stderr, flush=True)

    try:
        yield name
    finally:
        shown.clear()


def note(text: str) -> None:
    """One line on stderr: a fact the user may want to know, not part of the answer."""
    print(harmless(text, sys.stderr), file=sys.stderr, flush=True)


def harmless(text: str, stream: TextIO) -> str:
    """What `stream` gets of a text that is not ours: if a terminal, no control characters."""
    return text.translate(CONTROLS) if stream.isatty() else text
