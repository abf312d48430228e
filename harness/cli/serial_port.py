"""`--target qemu` or `serial:PORT[@BAUD][,chainload[=BAUD]]`: what the image runs on."""

import argparse
import re
from dataclasses import dataclass

DEFAULT_BAUD = 115200
BAUD_MAX = 12_000_000  # of any USB adapter
FORM = "qemu, or serial:PORT[@BAUD][,chainload[=BAUD]] like serial:/dev/ttyUSB0@115200"
SERIAL = re.compile(r"serial:(?P<port>[^,]+?)(?:@(?P<baud>\d+))?(?:,chainload(?:=(?P<push>\d+))?)?")


@dataclass(frozen=True)
class SerialPort:
    """A board on a line."""

    port: str
    baud: int = DEFAULT_BAUD
    chainload: bool = False  # send it the kernel first
    chainload_baud: int | None = None  # as fast as this; None: as fast as both ends can

    def __str__(self) -> str:
        return f"{self.port} at {self.baud} baud"


def target_of(text: str) -> str | SerialPort:
    """`qemu`, `twin` (the kernel's C on this machine), or a serial port."""
    if text in ("qemu", "twin"):
        return text
    match = SERIAL.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not {FORM}")
    return SerialPort(
        port=match["port"],
        baud=_baud(match["baud"]) if match["baud"] else DEFAULT_BAUD,
        chainload=",chainload" in text[match.end("port") :],
        chainload_baud=_baud(match["push"]) if match["push"] else None,
    )


def _baud(text: str) -> int:
    baud = int(text)
    if not 300 <= baud <= BAUD_MAX:
        raise argparse.ArgumentTypeError(f"{text} baud is not between 300 and {BAUD_MAX}")
    return baud
