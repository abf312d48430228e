"""harness/image/card/write.py: the image that mtools and fsck.fat read."""

import hashlib
import json
import os
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from harness.board import Board, load_board
from harness.errors import ImageError
from harness.image.card import (
    CardContents,
    CardLayout,
    CardList,
    card_contents,
    plan_card,
    read_card_list,
    write_card,
)
from harness.image.card.contents import INITRAMFS_MAX
from harness.image.card.mbr import read_boot_record
from tests.harness.image.card.made import (
    BUILD_ID,
    PI4,
    PI4_FILES,
    card_of,
    made_firmware,
    made_image,
)

EPOCH = 1_767_225_600
Planned = tuple[CardContents, CardLayout]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def mtools() -> None:
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")


def planned(directory: Path, board: Board = PI4, blob_bytes: int = 100_000) -> Planned:
    firmware = made_firmware(directory / "firmware", PI4_FILES)
    image = made_image(directory, blob_bytes)
    contents = card_contents(board, image, firmware=[firmware])
    return contents, plan_card(contents, card_of(board), BUILD_ID)


def written(path: Path, of: Planned, *, epoch: int = EPOCH) -> CardList:
    contents, layout = of
    return write_card(
        *(contents, layout, path), board="raspi4b", build_id=BUILD_ID, epoch=epoch, key="k"
    )


@pytest.fixture(scope="module")
def card(
    mtools: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, CardContents, CardList]:
    """A card of a Pi 4, in a folder whose name mtools could misread."""
    directory = tmp_path_factory.mktemp("card") / "a@@4M b:c"
    of = planned(directory)
    return directory / "card.img", of[0], written(directory / "card.img", of)


def read_back(image: Path, name: str, offset: int = 4 << 20) -> bytes:
    drive = f"{image.name}@@{offset}"
    done = subprocess.run(
        ["mcopy", "-i", drive, f"::{name}", "-"], cwd=image.parent, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fsck(image: Path, layout_offset: int, size_bytes: int, tmp_path: Path) -> None:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    program = shutil.which("fsck.fat", path=path)
    if program is None:
        pytest.skip("fsck.fat (package dosfstools) is not installed")
    alone = tmp_path / "partition"
    with image.open("rb") as source, alone.open("wb") as file:
        source.seek(layout_offset)
        for _ in range(size_bytes >> 20):
            block = source.read(1 << 20)
            file.seek(len(block), os.SEEK_CUR) if not any(block) else file.write(block)
        file.truncate(size_bytes)
    done = subprocess.run([program, "-n", "-v", str(alone)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "32 bit" in done.stdout
    assert "differences" not in done.stdout
    assert "corrupt" not in done.stdout


def test_every_file_is_read_back_and_is_in_the_list(
    card: tuple[Path, CardContents, CardList],
) -> None:
    image, contents, listing = card
    for file, entry in zip(contents.files, listing.files, strict=True):
        wanted = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
        found = read_back(image, file.name)
        assert found == wanted
        assert (entry.name, entry.size_bytes) == (file.name, len(wanted))
        assert entry.sha256 == hashlib.sha256(wanted).hexdigest()


@pytest.mark.slow
def test_the_file_system_is_sound(
    card: tuple[Path, CardContents, CardList], tmp_path: Path
) -> None:
    image, _, listing = card
    with image.open("rb") as file:
        (fat,) = read_boot_record(file.read(512))
    assert fat.active
    assert (listing.partitions[0].first_lba, listing.partitions[0].n_sectors) == (
        8192,
        fat.n_sectors,
    )
    fsck(image, fat.offset, fat.size_bytes, tmp_path)


def test_the_image_is_padded_sparse_and_hashed_as_a_whole(
    card: tuple[Path, CardContents, CardList],
) -> None:
    image, _, listing = card
    found = image.stat()
    assert found.st_size == listing.size_bytes == 256 << 20
    assert found.st_blocks * 512 < 8 << 20
    with image.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == listing.sha256


def test_all_time_stamps_are_the_epoch(card: tuple[Path, CardContents, CardList]) -> None:
    image, _, _ = card
    done = subprocess.run(
        ["mdir", "-i", f"{image.name}@@{4 << 20}", "-/", "::"],
        cwd=image.parent,
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if "-01-01" in line]
    assert len(lines) == len(PI4_FILES) + 3
    assert all("2026-01-01   0:00" in line for line in lines), done.stdout
    assert "89AB-CDEF" in done.stdout, "the serial number is the build's"


@pytest.mark.slow
def test_two_builds_are_the_same_byte_for_byte(
    card: tuple[Path, CardContents, CardList], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _, listing = card
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("MTOOLS_LOWER_CASE", "1")
    of = planned(tmp_path / "again")
    again = written(tmp_path / "again" / "card.img", of)
    assert again == listing
    # All that can differ lies before the end of the files; behind it both are one hole.
    with image.open("rb") as one, (tmp_path / "again" / "card.img").open("rb") as two:
        for _ in range(16):
            assert one.read(1 << 20) == two.read(1 << 20)
    other = written(tmp_path / "again" / "card.img", of, epoch=EPOCH + 86_400)
    assert other.sha256 != listing.sha256


@pytest.mark.slow
def test_a_large_model_lies_in_the_second_partition(mtools: None, tmp_path: Path) -> None:
    of = planned(tmp_path, blob_bytes=INITRAMFS_MAX + 4096)
    listing = written(tmp_path / "card.img", of)
    raw = listing.partitions[1]
    assert (raw.number, raw.type, raw.holds) == (2, 0xDA, "model.blob")
    with (tmp_path / "card.img").open("rb") as file:
        file.seek(raw.first_lba * 512)
        found = file.read(INITRAMFS_MAX + 4096)
    assert found == (tmp_path / "model.blob").read_bytes()
    entry = listing.files[-1]
    assert (entry.partition, entry.size_bytes) == (2, INITRAMFS_MAX + 4096)
    assert entry.sha256 == hashlib.sha256(found).hexdigest()
    assert "partition 2" in listing.table()


@pytest.mark.slow
def test_a_u_boot_card_has_its_folder(mtools: None, tmp_path: Path) -> None:
    board = load_board("rk3588")
    of = planned(tmp_path, board)
    listing = written(tmp_path / "card.img", of)
    assert read_back(tmp_path / "card.img", "extlinux/extlinux.conf", 16 << 20).startswith(
        b"# RK3588"
    )
    fsck(tmp_path / "card.img", 16 << 20, listing.partitions[0].n_sectors * 512, tmp_path)


def test_the_list_is_read_as_it_was_written(
    card: tuple[Path, CardContents, CardList], tmp_path: Path
) -> None:
    _, _, listing = card
    path = tmp_path / "card.json"
    path.write_text(json.dumps(listing.as_dict()))
    assert read_card_list(path) == listing


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"board": 1}', "null", '{"board": "a", "build_id": "b"}']
)
def test_another_file_is_no_list(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(ImageError, match=r"card\.json is not a list of a card"):
        read_card_list(path)


@pytest.mark.parametrize(
    "extents",
    [[], [[0, 0]], [[512, 1024]], [[0, 4097]], [[0, 1024], [512, 2048]], [[-1, 512]], [[2, 1]]],
    ids=str,
)
def test_extents_that_are_no_part_of_the_image_are_no_list(
    extents: list[list[int]], tmp_path: Path
) -> None:
    whole = CardList("pi4", "b", "card.img", 4096, "s", ((0, 512), (1024, 4096)), (), (), (), "k")
    path = tmp_path / "card.json"
    path.write_text(json.dumps(whole.as_dict()))
    assert read_card_list(path) == whole
    path.write_text(json.dumps({**whole.as_dict(), "extents": extents}))
    with pytest.raises(ImageError, match=r"extents are .* wanted spans from byte 0 on"):
        read_card_list(path)


def test_missing_mtools_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = planned(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(ImageError, match="mformat, mmd, mcopy, which is not on PATH") as error:
        written(tmp_path / "card.img", of)
    assert "apt install mtools" in error.value.hint
    assert not (tmp_path / "card.img").exists()


def test_a_full_disk_is_said_before_anything_is_written(
    mtools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = planned(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100_000))
    with pytest.raises(ImageError, match=r"card\.img takes [\d,]+ bytes, .* has 100,000 free"):
        written(tmp_path / "card.img", of)
    assert not list(tmp_path.glob("*card.img*"))


@pytest.mark.parametrize("epoch", [0, 315_532_799, 4_354_819_200])
def test_a_time_that_fat_cannot_write_is_refused(epoch: int, mtools: None, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=f"SOURCE_DATE_EPOCH is {epoch}"):
        written(tmp_path / "card.img", planned(tmp_path), epoch=epoch)


def test_a_failure_keeps_the_older_card(
    card: tuple[Path, CardContents, CardList], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card.img").write_bytes(b"older")
    of = planned(tmp_path)
    real = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name: "/bin/false" if name == "mcopy" else real(name)
    )
    with pytest.raises(ImageError, match="could not fill the card image: it says nothing"):
        written(tmp_path / "card.img", of)
    assert (tmp_path / "card.img").read_bytes() == b"older"
    assert not list(tmp_path.glob(".card.img*"))
