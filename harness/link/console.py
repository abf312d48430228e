"""The target's console: readable text, the last lines for error messages, panic reports."""

import codecs
from collections import deque
from collections.abc import Callable

from harness.errors import TargetError

PANIC_START = "PANIC cpu="
PANIC_END = "END PANIC"
BOOT_START = "Bareword"  # how the first line of the kernel begins, and of the loader
TAIL_LINES = 40
TAIL_COLUMNS = 200
MAX_LINE = 4096  # a line without end (noise) is cut, so that memory stays bounded


class TargetPanic(TargetError):
    """The kernel stopped itself; `report` is everything it printed about it."""

    def __init__(self, report: str) -> None:
        first = report.splitlines()[0].strip() if report.strip() else PANIC_START
        super().__init__(f"the kernel panicked: {first}", hint="the whole report follows")
        self.report = report


class Console:
    """Collects console bytes; knows when a panic report has begun and ended, and a boot begun."""

    def __init__(self, on_text: Callable[[str], None] | None = None) -> None:
        self.boots = 0  # first lines of a boot so far
        self._on_text = on_text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._line = ""
        self._report: list[str] | None = None
        self._report_ended = False

    def feed(self, data: bytes) -> None:
        """Take console bytes; TargetPanic when they complete a report."""
        text = _printable(self._decoder.decode(data))
        if not text:
            return
        if self._on_text is not None:
            self._on_text(text)
        self._line += text
        *complete, self._line = self._line.split("\n")
        for line in complete:
            self._end_line(line)
        if PANIC_START in self._line and self._report is None:
            self._report = []  # its line is not complete yet
        if len(self._line) > MAX_LINE:
            self._end_line(self._line)
            self._line = ""
        if self._report_ended:
            self.raise_panic()

    def raise_panic(self) -> None:
        """Raise what was collected of a report; nothing when there is none."""
        if self._report is None:
            return
        line = self._line if self._report else self._line[self._line.find(PANIC_START) :]
        raise TargetPanic("\n".join([*self._report, line] if line else self._report))

    def tail(self) -> str:
        """The last lines, the unfinished one included."""
        lines = [*self._lines, self._line] if self._line else list(self._lines)
        return "\n".join(line[:TAIL_COLUMNS] for line in lines[-TAIL_LINES:])

    def _end_line(self, line: str) -> None:
        line = line.rstrip("\r")
        self._lines.append(line)
        self.boots += line.startswith(BOOT_START)
        start = line.find(PANIC_START)
        if start >= 0 and not self._report:
            self._report = [line[start:]]
        elif self._report is not None and not self._report_ended:
            self._report.append(line)
            self._report_ended = PANIC_END in line


def _printable(text: str) -> str:
    """Without the control characters, C1 and DEL too, that line noise would be to a terminal.

    ESC stays: firmware colours its lines. What a terminal gets of it is the command line's choice.
    """
    return "".join(c for c in text if " " <= c < "\x7f" or c >= "\xa0" or c in "\n\r\t\b\x1b")
