"""harness/image/card/contents.py: which files a card needs, and what a missing one is for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.board import Board, load_board
from harness.errors import ImageError
from harness.image.card import CardContents, card_contents, plan_card
from harness.image.card.contents import FAT_FILE_MAX, INITRAMFS_MAX
from tests.harness.image.card.made import (
    BUILD_ID,
    PI4,
    PI4_FILES,
    PI4_TREE,
    card_of,
    made_firmware,
    made_image,
    with_card,
)

MIB = 1 << 20
CARD = card_of(PI4)


def contents(
    tmp_path: Path,
    board: Board = PI4,
    names: Sequence[str] = PI4_FILES,
    *,
    blob_bytes: int | None = 100_000,
    own_partition: bool = True,
    present: Sequence[str] = (),
) -> CardContents:
    firmware = made_firmware(tmp_path / "firmware", names)
    image = made_image(tmp_path, blob_bytes)
    return card_contents(
        board, image, firmware=[firmware], present=present, own_partition=own_partition
    )


def names(made: CardContents) -> list[str]:
    return [file.name for file in made.files]


def config(made: CardContents, name: str = "config.txt") -> str:
    source = next(file.source for file in made.files if file.name == name)
    assert isinstance(source, bytes)
    return source.decode()


def test_a_card_of_a_pi_has_firmware_recipe_kernel_and_model(tmp_path: Path) -> None:
    made = contents(tmp_path)
    assert names(made) == [*PI4_FILES, "config.txt", "kernel8.img", "model.blob"]
    assert "\ninitramfs model.blob followkernel\n" in config(made)
    assert "upstream_kernel" not in config(made)
    assert made.model is None
    assert made.notes == ()


def test_a_model_in_the_kernel_needs_no_file(tmp_path: Path) -> None:
    made = contents(tmp_path, blob_bytes=None)
    assert "model.blob" not in names(made)
    assert "\ninitramfs" not in config(made)


def test_a_large_model_gets_its_own_partition(tmp_path: Path) -> None:
    assert contents(tmp_path, blob_bytes=INITRAMFS_MAX).model is None
    made = contents(tmp_path, blob_bytes=INITRAMFS_MAX + 1)
    assert made.model == tmp_path / "model.blob"
    assert "model.blob" not in names(made)
    assert "\ninitramfs" not in config(made)
    assert "partition 2" in config(made)
    layout = plan_card(made, CARD, BUILD_ID)
    fat, raw = layout.partitions
    assert (fat.type, raw.type) == (0x0C, 0xDA)
    assert fat.end_lba == raw.first_lba
    assert raw.first_lba % 8192 == 0
    assert raw.size_bytes >= INITRAMFS_MAX + 1


def test_a_large_model_on_a_card_that_exists_is_a_file_with_a_warning(tmp_path: Path) -> None:
    made = contents(tmp_path, blob_bytes=INITRAMFS_MAX + MIB, own_partition=False)
    assert "model.blob" in names(made)
    assert "has 65 MiB: some firmware has cut files of more than 64 MiB short" in made.notes[0]


def test_a_model_that_no_file_holds_is_refused_without_a_partition(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"model\.blob has 4,294,967,296 bytes, a file"):
        contents(tmp_path, blob_bytes=FAT_FILE_MAX + 1, own_partition=False)
    board = dataclasses.replace(PI4, sd=())
    with pytest.raises(ImageError, match="at most 4,294,967,295") as error:
        contents(tmp_path, board, blob_bytes=FAT_FILE_MAX + 1)
    assert "raspi4b reads models from files only" in error.value.hint
    assert contents(tmp_path, blob_bytes=FAT_FILE_MAX + 1).model is not None


def test_missing_firmware_names_files_package_and_options(tmp_path: Path) -> None:
    with pytest.raises(
        ImageError, match=r"needs the boot firmware fixup4cd\.dat; not found"
    ) as error:
        contents(tmp_path, names=["start4cd.elf", PI4_TREE])
    assert str(tmp_path / "firmware") in str(error.value)
    for word in (
        "apt install raspi-firmware",
        "non-free-firmware",
        "--firmware DIR",
        "--no-firmware",
    ):
        assert word in error.value.hint


def test_the_firmware_s_licence_goes_with_it(tmp_path: Path) -> None:
    assert "LICENCE.broadcom" in names(contents(tmp_path, names=[*PI4_FILES, "LICENCE.broadcom"]))
    there = contents(tmp_path, names=["LICENCE.broadcom"], present=PI4_FILES)
    assert "LICENCE.broadcom" not in names(there)


def test_without_firmware_the_card_is_trusted_to_have_it(tmp_path: Path) -> None:
    made = card_contents(PI4, made_image(tmp_path), firmware=None)
    assert names(made) == ["config.txt", "kernel8.img", "model.blob"]


def test_firmware_that_is_there_is_left_and_half_of_it_is_replaced(tmp_path: Path) -> None:
    there = contents(tmp_path, names=[], present=PI4_FILES)
    assert names(there) == ["config.txt", "kernel8.img", "model.blob"]
    half = contents(tmp_path, present=["start4cd.elf", PI4_TREE])
    assert names(half)[:2] == ["start4cd.elf", "fixup4cd.dat"]
    assert PI4_TREE not in names(half)


def test_linux_s_names_of_device_trees_are_told_to_the_firmware(tmp_path: Path) -> None:
    pi3 = load_board("pi3")
    firmware = card_of(pi3).firmware
    linux = contents(tmp_path / "a", pi3, [*firmware, "bcm2837-rpi-3-b.dtb"])
    assert "bcm2837-rpi-3-b.dtb" in names(linux)
    assert "\nupstream_kernel=1\n" in config(linux)
    both = contents(tmp_path / "b", pi3, [*firmware, "bcm2837-rpi-3-b.dtb", "bcm2710-rpi-3-b.dtb"])
    assert "bcm2837-rpi-3-b.dtb" not in names(both)
    assert "upstream_kernel" not in config(both)
    # The Pi 4's own name is the same in both; the CM4's is not.
    cm4 = contents(tmp_path / "d", PI4, [*PI4_FILES, "bcm2711-rpi-cm4-io.dtb"])
    assert "bcm2711-rpi-cm4-io.dtb" in names(cm4)
    assert "\nupstream_kernel=1\n" in config(cm4)
    on_card = contents(tmp_path / "c", pi3, firmware, present=["bcm2837-rpi-3-b.dtb"])
    assert "\nupstream_kernel=1\n" in config(on_card)


def test_without_a_device_tree_the_kernel_finds_the_model_itself(tmp_path: Path) -> None:
    made = contents(tmp_path, names=CARD.firmware)
    assert made.model is not None
    assert "no device tree found" in made.notes[0]
    inside = contents(tmp_path, names=CARD.firmware, blob_bytes=None)
    assert inside.model is None
    assert "no device tree found" in inside.notes[0]
    with pytest.raises(ImageError, match="needs a device tree to tell the kernel") as error:
        contents(tmp_path, names=CARD.firmware, own_partition=False)
    assert PI4_TREE in str(error.value)


def test_a_u_boot_card_has_image_model_and_a_menu_of_one(tmp_path: Path) -> None:
    made = contents(tmp_path, load_board("rk3588"), [])
    assert names(made) == ["extlinux/extlinux.conf", "Image", "model.blob"]
    text = config(made, "extlinux/extlinux.conf")
    assert "  linux /Image\n  initrd /model.blob\n" in text
    assert "fdt /" not in text
    assert made.notes == ()
    inside = contents(tmp_path, load_board("rk3588"), [], blob_bytes=None)
    assert "initrd" not in config(inside, "extlinux/extlinux.conf")


def test_a_board_without_a_card_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="board virt has no card"):
        contents(tmp_path, load_board("virt"))


def test_names_that_fat_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    board = with_card(PI4, kernel="CONFIG.TXT")
    with pytest.raises(ImageError, match=r"two files of the card are called CONFIG\.TXT"):
        contents(tmp_path, board)


@pytest.mark.parametrize("blob_bytes", [None, 0, 100_000, 30 * MIB, 900 * MIB])
@pytest.mark.parametrize("name", ["pi3", "pi4", "pi5", "rk3588"])
def test_every_layout_holds_its_files_and_is_fat32(
    name: str, blob_bytes: int | None, tmp_path: Path
) -> None:
    board = load_board(name)
    card = card_of(board)
    made = contents(tmp_path, board, [*card.firmware, *card.device_trees], blob_bytes=blob_bytes)
    layout = plan_card(made, card, BUILD_ID)
    fat = layout.partitions[0]
    clusters = fat.n_sectors // 4
    tables = 2 * clusters * 4 + 32 * 512
    assert clusters - tables // 2048 >= 65_525, "fewer clusters are FAT16"
    assert fat.size_bytes - tables >= sum(file.size_bytes for file in made.files)
    assert fat.first_lba == card.first_lba
    assert layout.end_bytes == layout.partitions[-1].end_lba * 512 <= layout.image_bytes
    assert layout.image_bytes & (layout.image_bytes - 1) == 0
    assert layout.extents[-1][1] == layout.end_bytes
    assert layout.disk_id == 0x89ABCDEF


def test_u_boot_s_own_sectors_are_not_written(tmp_path: Path) -> None:
    board = load_board("rk3588")
    layout = plan_card(contents(tmp_path, board, []), card_of(board), BUILD_ID)
    assert layout.extents == ((0, 512), (16 * MIB, layout.end_bytes))
