"""A machine with one card, which is a file, and somebody or nobody at its keyboard."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import flash
from harness.cli.pipeline import Built
from harness.flash import release
from harness.flash.device import BlockDevice
from harness.flash.disk import Disk
from harness.flash.lsblk import parse_lsblk
from tests.harness.flash.lsblk_says import NVME, answer, reader

Capture = pytest.CaptureFixture[str]
MIB = 1 << 20
CARD_BYTES = 80 * MIB
SERIAL = "000000000821"
POWER_OFF = "udisksctl power-off --no-user-interaction --block-device"


class Terminal(io.StringIO):
    """stdin at which somebody sits."""

    def isatty(self) -> bool:
        return True


class Bench:
    """A machine with one card of 80 MiB, which is a file; what it reads back may be changed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.file = folder / "sdb"
        self.file.write_bytes(b"")
        os.truncate(self.file, CARD_BYTES)
        self.device_class: type[BlockDevice] = BlockDevice
        self.devices = [NVME, reader(size=CARD_BYTES)]
        monkeypatch.setattr(flash, "_disks", self.disks)
        monkeypatch.setattr(flash, "open_disk", self.open_disk)
        monkeypatch.setattr(release, "run", self.run)
        self.done: list[str] = []  # commands, and when the card was opened and closed
        self.failing: dict[str, str] = {}  # a command's first words, and why it fails

    def run(self, command: list[str]) -> str:
        """In place of release.run()."""
        self.done.append(" ".join(command))
        for words, why in self.failing.items():
            if self.done[-1].startswith(words):
                return why
        if "mount" in self.done[-1]:
            for child in self.devices[1]["children"]:
                child["mountpoints"] = []
        return ""

    def disks(self) -> Sequence[Disk]:
        return parse_lsblk(answer(*self.devices), lambda _: "")

    @contextmanager
    def open_disk(self, disk: Disk, command: list[str]) -> Iterator[BlockDevice]:
        assert disk.path == "/dev/sdb"
        self.done.append("open")
        fd = os.open(self.file, os.O_RDWR)
        try:
            yield self.device_class(fd, disk.path)
        finally:
            os.close(fd)
            self.done.append("close")

    def types(self, text: str) -> None:
        self.monkeypatch.setattr(sys, "stdin", Terminal(text))

    @property
    def is_untouched(self) -> bool:
        return self.file.stat().st_blocks == 0


def arguments(built: Built, *words: str) -> list[str]:
    return ["flash", "-m", str(built.directory), *words]
