"""harness/flash/files.py: what happens to a mounted card's files, and to those of its owner."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from harness.errors import CardFailedError, CardMismatchError, FlashError
from harness.flash import files as module
from harness.flash.files import RECORD, Step, copy_files, plan_files, require_folder
from harness.image.card import CardFile

Usage = namedtuple("Usage", "total used free")


def wanted(tmp_path: Path, kernel: bytes = b"kernel 1") -> list[CardFile]:
    source = tmp_path / "kernel8.img"
    source.write_bytes(kernel)
    return [
        CardFile("config.txt", b"kernel=kernel8.img\n", "recipe"),
        CardFile("kernel8.img", source, "build"),
        CardFile("extlinux/extlinux.conf", b"label bareword\n", "recipe"),
    ]


def flash(tmp_path: Path, card: Path, kernel: bytes = b"kernel 1") -> list[str]:
    steps = plan_files(wanted(tmp_path, kernel), card)
    copy_files(steps, card)
    return [step.action for step in steps]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"of a cat")
    return folder


def names(card: Path) -> set[str]:
    return {p.relative_to(card).as_posix() for p in card.rglob("*") if p.is_file()}


OURS = {"config.txt", "kernel8.img", "extlinux/extlinux.conf", RECORD}


def test_an_empty_card_gets_every_file(tmp_path: Path, card: Path) -> None:
    assert flash(tmp_path, card) == ["new", "new", "new"]
    assert names(card) == {"photo.jpg", *OURS}
    assert (card / "kernel8.img").read_bytes() == b"kernel 1"


def test_what_is_the_same_is_not_written_again(tmp_path: Path, card: Path) -> None:
    flash(tmp_path, card)
    before = (card / "kernel8.img").stat()
    assert flash(tmp_path, card) == ["same", "same", "same"]
    after = (card / "kernel8.img").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_our_own_older_file_is_replaced(tmp_path: Path, card: Path) -> None:
    flash(tmp_path, card)
    assert flash(tmp_path, card, b"kernel 2") == ["same", "replaced", "same"]
    assert (card / "kernel8.img").read_bytes() == b"kernel 2"
    assert names(card) == {"photo.jpg", *OURS}


def test_the_owner_s_file_is_kept_and_named(tmp_path: Path, card: Path) -> None:
    (card / "config.txt").write_bytes(b"hdmi_safe=1\n")
    (card / "config.txt.old").write_bytes(b"something else\n")
    steps = plan_files(wanted(tmp_path), card)
    assert [step.action for step in steps] == ["kept", "new", "new"]
    assert steps[0].sentence().endswith("what was there is kept as config.txt.old2")
    assert (card / "config.txt").read_bytes() == b"hdmi_safe=1\n", "a plan writes nothing"
    copy_files(steps, card)
    assert (card / "config.txt").read_bytes() == b"kernel=kernel8.img\n"
    assert (card / "config.txt.old").read_bytes() == b"something else\n"
    assert (card / "config.txt.old2").read_bytes() == b"hdmi_safe=1\n"


def test_a_file_of_ours_that_its_owner_changed_is_the_owner_s(tmp_path: Path, card: Path) -> None:
    flash(tmp_path, card)
    with (card / "config.txt").open("ab") as file:
        file.write(b"arm_freq=1000\n")
    assert flash(tmp_path, card) == ["kept", "same", "same"]
    assert (card / "config.txt.old").read_bytes().endswith(b"arm_freq=1000\n")


@pytest.mark.parametrize(
    "record", [b"", b"[]", b'{"files": 3}', b"\xff\xfe", b'{"files": {"a": 1}}']
)
def test_a_broken_record_makes_every_file_the_owner_s(
    record: bytes, tmp_path: Path, card: Path
) -> None:
    flash(tmp_path, card)
    (card / RECORD).write_bytes(record)
    assert flash(tmp_path, card, b"kernel 2") == ["same", "kept", "same"]
    assert (card / "kernel8.img.old").read_bytes() == b"kernel 1"


def test_a_failure_leaves_whole_files_and_the_next_time_goes_on(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash(tmp_path, card)
    steps = plan_files(wanted(tmp_path, b"kernel 2"), card)
    files = wanted(tmp_path, b"kernel 2")
    files[0] = CardFile("config.txt", b"kernel=other.img\n", "recipe")
    steps = plan_files(files, card)
    assert [step.action for step in steps] == ["replaced", "replaced", "same"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    real = module._put

    def second_fails(step: Step, *args: object, **kwargs: object) -> None:
        if step.file.name == "kernel8.img":
            (card / module.UNFINISHED).write_bytes(b"ker")
            full()
        real(step, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_put", second_fails)
    with pytest.raises(CardFailedError, match="No space left") as error:
        copy_files(steps, card)
    assert error.value.exit_code == 3
    monkeypatch.undo()
    assert (card / "kernel8.img").read_bytes() == b"kernel 1"
    assert (card / "config.txt").read_bytes() == b"kernel=other.img\n"
    assert names(card) == {"photo.jpg", *OURS}, "nothing unfinished is left"
    steps = plan_files(files, card)
    assert [step.action for step in steps] == ["same", "replaced", "same"], "both are still ours"


def test_a_card_that_reads_back_otherwise_keeps_its_old_file(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash(tmp_path, card)
    steps = plan_files(wanted(tmp_path, b"kernel 2"), card)
    monkeypatch.setattr(module, "_chunks", lambda file: iter([b"kernel 2 or so"]))
    with pytest.raises(CardMismatchError, match=r"kernel8\.img reads back otherwise") as error:
        copy_files(steps, card)
    assert error.value.exit_code == 1
    monkeypatch.undo()
    assert (card / "kernel8.img").read_bytes() == b"kernel 1"


def test_room_is_counted_before_anything_is_written(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash(tmp_path, card, b"k" * 1000)
    before = names(card)
    # A new file is whole before its predecessor goes, and only then is there room for the next.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 999))
    with pytest.raises(FlashError, match=r"kernel8\.img has 1,000 bytes, .* has 999 free"):
        plan_files(wanted(tmp_path, b"K" * 1000), card)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1000))
    assert plan_files(wanted(tmp_path, b"K" * 1000), card)[1].action == "replaced"
    assert names(card) == before


def test_a_folder_in_a_file_s_place_is_said(tmp_path: Path, card: Path) -> None:
    (card / "kernel8.img").mkdir()
    with pytest.raises(FlashError, match=r"kernel8\.img is no file"):
        plan_files(wanted(tmp_path), card)


@pytest.mark.parametrize("folder", ["/", "/boot", "/usr/lib", "/etc", "/dev", "/var/lib", "/opt"])
def test_this_system_is_no_card(folder: str) -> None:
    if not Path(folder).is_dir():
        pytest.skip(f"no {folder} here")
    with pytest.raises(FlashError, match="is part of this system"):
        require_folder(Path(folder))


def test_a_folder_that_is_not_there_or_only_readable_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FlashError, match="is not a folder"):
        require_folder(tmp_path / "nothing")
    (tmp_path / "link").symlink_to("/usr")
    with pytest.raises(FlashError, match="is part of this system"):
        require_folder(tmp_path / "link")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FlashError, match="may not be written to by this user"):
        require_folder(tmp_path)
