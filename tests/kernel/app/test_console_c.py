"""kernel/app/console.c: editing a line, and showing what a model says."""

import subprocess
from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent
LINE_MAX = 2048


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = ["app/console.c", "llm/utf8.c", "lib/format.c"]
    return build_program(tmp_path_factory.mktemp("console"), HERE / "console_driver.c", sources)


def type_bytes(console: Path, typed: bytes) -> tuple[list[str], str]:
    """The lines entered, and what the screen showed."""
    done = subprocess.run([str(console)], input=typed, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode().splitlines(), done.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        (b"hello\r", ["hello"]),
        (b"one\ntwo\r\nthree\r", ["one", "two", "three"]),
        (b"\r\r\n\n", ["", "", ""]),
        (b"helpo\x7flo\x08\x08lo\r", ["helplo"]),
        (b"\x7f\x7fa\r", ["a"]),
        ("grün€\x7f\x7fß\r".encode(), ["grüß"]),
        (b"forget this\x15remember\r", ["remember"]),
        (b"never mind\x03next\r", ["^C", "next"]),
        (b"left\x1b[D\x1b[1;5Cright\x1bOA\x1b[3~\r", ["leftright"]),
        (b"\x1b[\rafter\r", ["", "after"]),
        (b"tab\tstop\x01\x02\x07\r", ["tab stop"]),
        (b"x" * (LINE_MAX + 9) + b"\r", ["x" * LINE_MAX]),
    ],
)
def test_typed_keys_edit_the_line(console: Path, typed: bytes, lines: list[str]) -> None:
    assert type_bytes(console, typed)[0] == lines


def test_the_screen_shows_what_is_typed_and_erased(console: Path) -> None:
    assert type_bytes(console, b"ab\x7fc\r")[1] == "ab\b \bc\r\n"
    assert type_bytes(console, "ä\x15".encode())[1] == "ä\b \b"
    assert type_bytes(console, b"x\x03")[1] == "x^C\r\n"


def test_generated_text_steers_neither_terminal_nor_link(console: Path) -> None:
    said = b"a\x1b[2J\x00b\x03\r\n\tc\x7f" + "é\x80\x9b2J\x9f\xa0".encode() + b"\xff\xe2\x82"
    shown = run_program(console, "said", stdin=said)
    assert shown.decode() == "a�[2J�b��\r\n\tc�é��2J�\xa0��"
