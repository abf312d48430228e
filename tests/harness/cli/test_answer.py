"""harness/cli/answer.py: what reaches a terminal."""

import sys

import pytest

from harness.cli.answer import Live
from harness.link.generation import Token

TEXT = "a\x1b[2J\tb\n\x07\x9b31mé\x7f"


@pytest.mark.parametrize(("tty", "shown"), [(True, "a[2J\tb\n31mé"), (False, TEXT)])
def test_only_a_terminal_is_spared_control_characters(
    tty: bool, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty)
    Live(text=True).on_token(Token(0, 1, 1.0, TEXT.encode(), TEXT))
    assert capsys.readouterr().out == shown
