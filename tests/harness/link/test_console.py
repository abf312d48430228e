"""harness/link/console.py: readable text, the last lines, panic reports."""

import pytest

from harness.link.console import TAIL_LINES, Console, TargetPanic

REPORT = "PANIC cpu=1 nn/rope.c:7: bad\nx0 0x1\nEND PANIC"


def test_text_is_decoded_across_reads_and_noise_is_made_harmless() -> None:
    seen: list[str] = []
    console = Console(seen.append)
    c1 = "\x80\x9b2J\x9f\xa0".encode()
    for part in (b"caf\xc3", b"\xa9\r\n", b"\x07\x02a\xff\x1b[0m", b"\x7f" + c1):
        console.feed(part)
    assert "".join(seen) == "café\r\na\ufffd\x1b[0m2J\xa0"
    assert console.tail().endswith("a\ufffd\x1b[0m2J\xa0")


def test_the_tail_keeps_the_last_lines_and_the_unfinished_one() -> None:
    console = Console()
    console.feed(b"".join(b"line %d\r\n" % i for i in range(100)) + b"unfinished")
    lines = console.tail().split("\n")
    assert len(lines) == TAIL_LINES
    assert lines[-2:] == ["line 99", "unfinished"]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_report_is_raised_when_its_last_line_is_complete(step: int) -> None:
    console = Console()
    data = ("noise " + REPORT + "\nafterwards").encode()

    def feed_all() -> None:
        for start in range(0, len(data), step):
            console.feed(data[start : start + step])

    with pytest.raises(TargetPanic, match=r"panicked: PANIC cpu=1 nn/rope.c:7: bad") as error:
        feed_all()
    assert error.value.report.startswith(REPORT)
    assert error.value.exit_code == 3


def test_a_report_without_an_end_is_raised_on_request() -> None:
    console = Console()
    console.raise_panic()
    console.feed(b"PANIC cpu=0 a.c:1: stack")
    with pytest.raises(TargetPanic) as error:
        console.raise_panic()
    assert error.value.report == "PANIC cpu=0 a.c:1: stack"


def test_endless_noise_without_a_line_end_stays_bounded() -> None:
    console = Console()
    for _ in range(100):
        console.feed(b"x" * 1000)
    assert len(console.tail()) < TAIL_LINES * 6000
