"""kernel/llm/utf8.c shows what Python's decoder shows."""

import random
from pathlib import Path

from tests.kernel.build import run_program


def test_invalid_bytes_become_replacement_characters_as_unicode_recommends(
    utf8_driver: Path,
) -> None:
    source = random.Random(1)
    parts = [b"abc", "äöß€".encode(), "\U0001f600".encode(), b"\xe0\x80", b"\xed\xa0\x80"]
    parts += [b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xf0\x9f\x98", b"\xff", b"\x80", b"\xf8\x88"]
    for _ in range(3000):
        choice = source.choice(parts)
        parts.append(choice[: source.randrange(len(choice) + 1)] + source.randbytes(1))
    text = b"".join(source.sample(parts, len(parts))) + b"\xe2\x82"
    assert run_program(utf8_driver, stdin=text).decode() == text.decode("utf-8", "replace")
