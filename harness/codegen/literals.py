"""Values of the host written as C: strings, floats, optional token ids."""

import math
from collections.abc import Sequence

import numpy as np

from harness.errors import CodegenError, quoted

NAME_BYTES_MAX = 64  # of a model name; it is only shown
LINE_BYTES_MAX = 128  # of the line that begins a system turn
CHAT_TOKEN = 256  # chat pieces: a smaller number is a byte of text, others are this + a token id


def printable(text: str, limit: int = NAME_BYTES_MAX) -> str:
    """ASCII that neither ends a C string or comment nor changes its meaning; the rest becomes `_`.

    Model names come from files that anyone may have written. `?` goes for trigraphs, backslash for
    escapes and line continuations, `%` so that no format string is ever made of it.
    """
    safe = (c if " " <= c <= "~" and c not in '"\\?%*' else "_" for c in text[:limit])
    return "".join(safe).strip() or "_"


def c_string(text: str) -> str:
    """A C string literal of the printable form."""
    return f'"{printable(text)}"'


def c_line(text: str) -> str:
    """A C string literal of exactly this line, which the model reads; it may be empty."""
    data = text.encode()
    if len(data) > LINE_BYTES_MAX or not text.isprintable():
        raise CodegenError(
            f"the system line is {quoted(text)}, {len(data)} bytes long; "
            f"wanted one printable line of {LINE_BYTES_MAX} bytes at most",
            hint="it is bareword.system_line of the GGUF",
        )
    plain = b" !#$&'()+,-./:;<=>@[]^_`{|}~"  # no quote, escape, trigraph, comment or format
    escaped = (
        chr(c) if c in plain or (chr(c).isalnum() and c < 128) else f"\\{c:03o}" for c in data
    )
    return f'"{"".join(escaped)}"'


def c_float(value: float) -> str:
    """The float32 nearest to value, as an exact C literal."""
    rounded = float(np.float32(value))
    if not math.isfinite(rounded):
        raise CodegenError(f"{value} is not a finite float32", hint="the model's metadata is wrong")
    mantissa, exponent = rounded.hex().split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}f"


def c_id(token: int | None) -> int:
    """A token id, -1 for none."""
    return -1 if token is None else token


def c_piece(piece: Sequence[int | bytes]) -> str:
    """A piece of the chat template as one array of numbers, ended by CHAT_END."""
    numbers: list[str] = []
    for part in piece:
        if isinstance(part, bytes):
            numbers += map(str, part)
        else:
            numbers.append(f"CHAT_TOKEN + {part}")
    return "{" + ", ".join([*numbers, "CHAT_END"]) + "}"


def c_words(words: Sequence[bytes]) -> str:
    """Texts without a NUL as bytes: each ends with 0, and all of them with another 0."""
    numbers = [str(byte) for word in words for byte in (*word, 0)]
    return "{" + ", ".join([*numbers, "0"]) + "}"


def c_hex(value: int) -> str:
    """An unsigned 64-bit constant."""
    return f"{value:#x}ull"
