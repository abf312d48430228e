"""`flash --device`: what has to be typed or named before anything is written."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.cli import flash
from harness.cli.main import main
from harness.cli.pipeline import Built
from harness.flash.device import BlockDevice
from harness.flash.disk import Disk
from tests.harness.cli.flash_bench import (
    CARD_BYTES,
    SERIAL,
    Bench,
    Capture,
    Terminal,
    arguments,
)
from tests.harness.cli.image_directory import add_card
from tests.harness.flash.lsblk_says import reader


@pytest.mark.parametrize("typed", ["", "y\n", "yes\n", "sda\n", "/dev/sdb1\n"])
def test_anything_else_that_is_typed_writes_nothing(
    typed: str, built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    bench.types(typed)
    assert main(arguments(built, "--device", "sdb")) == 2
    assert "wanted 'sdb'; nothing was written" in capsys.readouterr().err
    assert bench.is_untouched


def test_where_nobody_sits_nothing_is_written(built: Built, bench: Bench, capsys: Capture) -> None:
    add_card(built)
    bench.monkeypatch.setattr(sys, "stdin", io.StringIO("sdb\n"))
    assert main(arguments(built, "--device", "/dev/sdb")) == 2
    assert f"--yes --serial {SERIAL}" in capsys.readouterr().err
    assert bench.is_untouched


@pytest.mark.parametrize(
    ("serial", "wanted"), [("WX1 2", "WX1 2"), (None, "My Passport")], ids=["serial", "model"]
)
def test_a_usb_disk_is_confirmed_by_what_is_on_its_label(
    serial: str | None, wanted: str, built: Built, bench: Bench, capsys: Capture
) -> None:
    data = add_card(built)
    bench.devices[1] = reader(size=CARD_BYTES, rm=False, serial=serial, model="My Passport")
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "sdb")) == 2
    err = capsys.readouterr().err
    assert "sdb is a USB disk, no card reader: it may hold backups" in err
    assert f"typed was 'sdb', wanted {wanted!r}; nothing was written" in err
    assert bench.is_untouched
    bench.types(f"{wanted}\n")
    assert main(arguments(built, "--device", "sdb")) == 0
    assert bench.file.read_bytes()[: len(data)] == data


def test_a_usb_disk_without_any_label_is_not_written(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    bench.devices[1] = reader(size=CARD_BYTES, rm=False, serial=None, model=None)
    bench.types("\n")
    assert main(arguments(built, "--device", "sdb")) == 2
    assert "has neither serial number nor model" in capsys.readouterr().err
    assert bench.is_untouched


def test_without_a_serial_number_no_hint_names_one(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    bench.devices[1] = reader(size=CARD_BYTES, serial=None)
    bench.monkeypatch.setattr(sys, "stdin", io.StringIO("sdb\n"))
    assert main(arguments(built, "--device", "/dev/sdb")) == 2
    err = capsys.readouterr().err
    assert "hint: run it in a terminal" in err
    assert "--serial" not in err


def test_yes_needs_a_serial_number_and_the_right_one(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    data = add_card(built)
    for words, says in (
        (["--yes"], "wants --device and --serial"),
        (["--yes", "--serial", SERIAL], "wants --device and --serial"),
        (["--yes", "--device", "/dev/sdb"], "wants --device and --serial"),
        (["--yes", "--device", "/dev/sdb", "--serial", "4711"], f"{SERIAL}, wanted 4711"),
    ):
        assert main(arguments(built, *words)) == 2
        assert says in capsys.readouterr().err
        assert bench.is_untouched
    assert main(arguments(built, "--yes", "--device", "/dev/sdb", "--serial", SERIAL)) == 0
    assert bench.file.read_bytes()[: len(data)] == data


def test_a_card_changed_while_the_question_stood_is_refused(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)

    class Slow(Terminal):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            bench.devices[1] = reader(size=CARD_BYTES, serial="another", model="Backup")
            return "sdb\n"

    bench.monkeypatch.setattr(sys, "stdin", Slow())
    assert main(arguments(built, "--device", "/dev/sdb")) == 2
    assert "is another disk than before the question" in capsys.readouterr().err
    assert bench.is_untouched


@pytest.mark.parametrize(
    "other",
    [{"model": "Backup"}, {"serial": "another"}, {"maj:min": "8:32"}, {"label": "photos"}],
    ids=str,
)
def test_a_card_changed_just_before_it_was_opened_is_refused(
    other: dict[str, str], built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)

    @contextmanager
    def open_late(disk: Disk, command: list[str]) -> Iterator[BlockDevice]:
        bench.devices[1] = {**bench.devices[1], **other}
        with bench.open_disk(disk, command) as card:
            yield card

    bench.monkeypatch.setattr(flash, "open_disk", open_late)
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb")) == 2
    assert "is another disk than before the question" in capsys.readouterr().err
    assert bench.is_untouched
