"""`flash`: what is written where, what is asked, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import flash
from harness.cli.main import main
from harness.cli.pipeline import Built
from harness.errors import FlashError
from harness.flash.device import BlockDevice
from harness.flash.lsblk import parse_lsblk
from harness.flash.safety import judge
from harness.image.card.mbr import read_boot_record
from tests.harness.cli.flash_bench import (
    CARD_BYTES,
    MIB,
    POWER_OFF,
    SERIAL,
    Bench,
    Capture,
    arguments,
)
from tests.harness.cli.image_directory import add_card
from tests.harness.flash.loop import loop_device, number_of
from tests.harness.flash.lsblk_says import NVME, answer, device, part, reader
from tests.harness.image.card.made import PI4_FILES, made_firmware


def test_without_a_place_nothing_is_guessed(built: Built, bench: Bench, capsys: Capture) -> None:
    assert main(arguments(built)) == 2
    err = capsys.readouterr().err
    assert "no device named" in err
    assert "candidates: /dev/sdb (STORAGE DEVICE, 83.9 MB, usb)" in err
    assert "nvme" not in err


def test_the_list_has_every_disk_and_its_verdict(bench: Bench, capsys: Capture) -> None:
    bench.devices.append(device("loop7", "loop", MIB, mountpoints=["/snap/core/1"]))
    assert main(["flash", "--list"]) == 0
    out = capsys.readouterr().out
    assert "/dev/nvme0n1    refused" in out
    assert "nvme0n1 holds this system" in out
    assert "/dev/sdb        candidate  STORAGE DEVICE" in out
    assert f"serial number {SERIAL}" in out
    assert "loop7" not in out


def test_a_card_is_written_once_its_name_is_typed(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    data = add_card(built)
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb", "--board", "pi4")) == 0
    assert bench.file.read_bytes()[: len(data)] == data
    out, err = capsys.readouterr()
    assert "/dev/sdb: 8,388,608 bytes written and verified" in out
    assert "ejected: it can be pulled out" in out
    assert bench.done[-2:] == ["close", f"{POWER_OFF} /dev/sdb"]
    assert "everything on sdb will be lost" in err
    assert "type sdb to erase it" in err


def test_a_block_device_is_written_from_the_command_line(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """All of it but the inventory, which calls a loop device a card."""
    data = add_card(built)
    backing = tmp_path / "backing"
    backing.write_bytes(b"")
    os.truncate(backing, CARD_BYTES)
    with loop_device(backing) as path:
        card = {**reader(size=CARD_BYTES), "path": path, "maj:min": number_of(path)}
        monkeypatch.setattr(flash, "_disks", lambda: parse_lsblk(answer(NVME, card), lambda _: ""))
        words = ["--device", path, "--yes", "--serial", SERIAL, "--no-eject"]
        assert main(arguments(built, *words)) == 0
        assert f"{path}: 8,388,608 bytes written and verified" in capsys.readouterr().out
        with Path(path).open("rb") as device:
            assert device.read(len(data)) == data


def test_a_dry_run_says_what_it_would_do(built: Built, bench: Bench, capsys: Capture) -> None:
    add_card(built)
    assert main(arguments(built, "--device", "/dev/sdb", "--dry-run")) == 0
    out, err = capsys.readouterr()
    assert "nothing was written: /dev/sdb is a candidate" in out
    assert "8,388,608 bytes to write" in err
    assert bench.is_untouched


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("/dev/nvme0n1", "refused: nvme0n1 holds this system"),
        ("/dev/sdz", "there is no disk /dev/sdz"),
    ],
)
def test_a_refused_disk_stays_refused_whatever_else_is_given(
    device: str, says: str, built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    bench.types(device)
    serial = "S64KNX0T123456"
    more = ["--yes", "--serial", serial] if "nvme" in device else []
    assert main(arguments(built, "--device", device, "--max-size", "2T", *more)) == 2
    assert says in capsys.readouterr().err
    assert bench.is_untouched


def test_a_disk_is_refused_before_anything_is_built(bench: Bench, capsys: Capture) -> None:
    bench.devices[1] = reader(part("sdb1", MIB, mountpoints=["/media/x"]), size=CARD_BYTES)
    assert main(["flash", "-m", "missing.gguf", "--board", "pi4", "--device", "/dev/sdb"]) == 2
    err = capsys.readouterr().err
    assert "sdb1 is mounted at /media/x" in err
    hint = "umount /media/x, or --unmount; or leave it mounted, and --files-only /media/x"
    assert f"hint: {hint}" in err


def test_a_card_smaller_than_the_image_is_refused(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built, 128 * MIB)
    assert main(arguments(built, "--device", "/dev/sdb", "--dry-run")) == 2
    assert "sdb has 83.9 MB, wanted at least 134.2 MB" in capsys.readouterr().err


def test_exit_codes_tell_a_lying_card_from_a_failing_one(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)

    class Lying(BlockDevice):
        def read(self, offset: int, size_bytes: int) -> bytes:
            return super().read(offset, size_bytes)[:-1] + b"?"

    class Failing(BlockDevice):
        def write(self, offset: int, data: bytes | memoryview) -> None:
            if offset:
                raise self._failed("writing", offset, OSError(5, "Input/output error"))
            super().write(offset, data)

    for kind, exit_code, says in (
        (Lying, 1, "/dev/sdb gives back 0x3f at byte 4,194,303"),
        (Failing, 3, "writing /dev/sdb failed at byte 4,194,304: Input/output error"),
    ):
        bench.device_class = kind
        bench.types("sdb\n")
        assert main(arguments(built, "--device", "/dev/sdb")) == exit_code
        assert says in capsys.readouterr().err
        assert read_boot_record(bench.file.read_bytes()[:512]) == ()


def test_ctrl_c_says_what_is_left_of_the_card(built: Built, bench: Bench, capsys: Capture) -> None:
    add_card(built)

    class Interrupted(BlockDevice):
        def write(self, offset: int, data: bytes | memoryview) -> None:
            if offset:
                raise KeyboardInterrupt
            super().write(offset, data)

    bench.device_class = Interrupted
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb")) == 130
    assert "not wholly written, has no boot record and does not boot" in capsys.readouterr().err


def test_ctrl_c_at_the_very_end_leaves_no_boot_record_either(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)

    class Interrupted(BlockDevice):
        def read(self, offset: int, size_bytes: int) -> bytes:
            if size_bytes == 512:  # the boot record, which was written by then
                assert read_boot_record(super().read(0, 512))
                raise KeyboardInterrupt
            return super().read(offset, size_bytes)

    bench.device_class = Interrupted
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb")) == 130
    assert "has no boot record and does not boot" in capsys.readouterr().err
    assert read_boot_record(bench.file.read_bytes()[:512]) == ()


def test_files_only_copies_what_the_card_lacks(
    built: Built, tmp_path: Path, capsys: Capture
) -> None:
    card = tmp_path / "boot"
    card.mkdir()
    (card / "config.txt").write_text("hdmi_safe=1\n")
    firmware = made_firmware(tmp_path / "firmware", PI4_FILES)
    words = ["--files-only", str(card), "--firmware", str(firmware)]
    assert main(arguments(built, *words, "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "would copy to" in out
    assert "config.txt: new" in out
    assert "kept as config.txt.old" in out
    assert {p.name for p in card.iterdir()} == {"config.txt"}
    assert main(arguments(built, *words)) == 0
    out, err = capsys.readouterr()
    assert "copied to" in out
    assert "is no mounted card but a folder" in err
    assert (card / "kernel8.img").read_bytes() == b"kernel" * 1000
    assert (card / "model.blob").read_bytes() == b"BAREWORD" * 1000
    assert (card / "config.txt.old").read_text() == "hdmi_safe=1\n"
    assert "initramfs model.blob followkernel" in (card / "config.txt").read_text()
    # With the firmware there, nothing of it is wanted any more.
    assert main(arguments(built, "--files-only", str(card))) == 0
    out = capsys.readouterr().out
    assert "start4cd.elf" not in out
    assert "kernel8.img: unchanged" in out


def test_files_only_without_firmware_anywhere_says_what_to_do(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("harness.cli.card.package_directories", lambda: (tmp_path,))
    (tmp_path / "card").mkdir()
    assert main(arguments(built, "--files-only", str(tmp_path / "card"))) == 2
    err = capsys.readouterr().err
    assert "needs the boot firmware start4cd.elf, fixup4cd.dat" in err
    assert "apt install raspi-firmware" in err
    assert not list((tmp_path / "card").iterdir())


def test_a_board_without_a_card_is_said_before_anything_is_built(
    tmp_path: Path, capsys: Capture
) -> None:
    assert main(["flash", "-m", "missing.gguf", "--files-only", str(tmp_path)]) == 2
    assert "board virt has no card" in capsys.readouterr().err


def test_other_systems_are_told_what_does_it_there(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["flash", "--list"]) == 2
    assert "Raspberry Pi Imager" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("32G", 32 * 10**9), ("2tb", 2 * 10**12), ("900M", 9 * 10**8)]
)
def test_sizes_are_those_of_card_makers(text: str, size: int) -> None:
    assert flash._size(text) == size


def test_a_size_that_is_none_is_refused(capsys: Capture) -> None:
    for text in ("256", "lots", "-1G", "1.5G"):
        assert main(["flash", "--list", f"--max-size={text}"]) == 2
        assert f"{text} is no size such as 256G" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="lsblk is Linux's")
def test_the_disks_of_this_machine_can_be_listed() -> None:
    """Not one of them may be called a candidate when it holds this system."""
    try:
        disks = flash._disks()
    except FlashError as missing:
        pytest.skip(str(missing))
    root = subprocess.run(
        ["findmnt", "-no", "SOURCE", "/"], capture_output=True, text=True
    ).stdout.strip()
    mine = [
        disk
        for disk in disks
        if root in (disk.path, *(f"/dev/{v.name}" for v in disk.volume.walk()))
    ]
    if not mine:
        pytest.skip(f"/ is {root or 'unknown'}, which is on none of the disks that lsblk shows")
    for disk in mine:
        assert not judge(disk, disks).ok
