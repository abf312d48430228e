"""What goes onto a board's card: boot firmware, the recipe's text files, kernel, model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.board import Board
from harness.card import Card
from harness.codegen.recipe import ModelPlace, render_recipe
from harness.errors import ImageError
from harness.image.card.firmware import LICENCE, PACKAGE, find_files
from harness.image.image import Image

MODEL_FILE = "model.blob"
FAT_FILE_MAX = (4 << 30) - 1  # bytes: a directory entry of FAT32 holds a size of 32 bits
# The firmware has no documented limit, but reports of files that came cut short begin at 64 MB
# (raspberrypi/rpi-eeprom issues 375 and 619). The kernel reads a partition itself, and checks it.
INITRAMFS_MAX = 64 << 20

Origin = Literal["build", "recipe", "firmware"]


@dataclass(frozen=True)
class CardFile:
    """A file of the card; name: its path there, with `/`."""

    name: str
    source: Path | bytes
    origin: Origin

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


@dataclass(frozen=True)
class CardContents:
    """Files of partition 1; model: what partition 2 holds, if there is one."""

    files: tuple[CardFile, ...]
    model: Path | None
    notes: tuple[str, ...]


def card_contents(
    board: Board,
    image: Image,
    *,
    firmware: Sequence[Path] | None,
    present: Collection[str] = (),
    own_partition: bool = True,
    is_loader: bool = False,
) -> CardContents:
    """Everything that must be on a card so that it boots this image, or ImageError.

    firmware: directories to look in, None to do without. present: files that the card has already.
    own_partition: the card is made anew, and may have a second partition. is_loader: the image's
    kernel is the chainloader, its blob that of the kernels that will come.
    """
    card = board_card(board)
    makers = _firmware_files(board, card, firmware, present)
    trees, mainline = _device_trees(card, firmware, present)
    # What loads this kernel tells it by the device tree where the model is.
    is_told = not card.device_trees or firmware is None or bool(trees)
    place = _model_place(board, card, image, is_told=is_told, own_partition=own_partition)
    if is_loader and place == "kernel":
        place = "line"
    texts = render_recipe(
        card.recipe,
        board=board.description,
        build_id=image.build_id,
        kernel=card.kernel,
        model=place,
        model_file=MODEL_FILE,
        mainline_device_tree=mainline,
    )
    files = [
        *(CardFile(name, path, "firmware") for name, path in makers.items()),
        *(CardFile(name, p, "firmware") for name, p in trees.items() if p is not None),
        *(CardFile(name, text.encode(), "recipe") for name, text in texts.items()),
        CardFile(card.kernel, image.kernel8, "build"),
    ]
    if place == "file" and image.blob is not None:
        files.append(CardFile(MODEL_FILE, image.blob, "build"))
    _check_files(files)
    notes = _notes(board, card, files, is_told=is_told)
    return CardContents(tuple(files), image.blob if place == "partition" else None, notes)


def board_card(board: Board) -> Card:
    """The board's [card] table; ImageError when it has none."""
    if board.card is None:
        raise ImageError(
            f"board {board.name} has no card: {board.description}",
            hint="`flash` and card images are for boards whose definition has a [card] table",
        )
    return board.card


def _firmware_files(
    board: Board, card: Card, directories: Sequence[Path] | None, present: Collection[str]
) -> dict[str, Path]:
    """All of them, when one is missing: start and fixup files of two versions do not match."""
    if directories is None or all(name in present for name in card.firmware):
        return {}
    found = find_files(card.firmware, directories)
    missing = [name for name in card.firmware if name not in found]
    if missing:
        raise ImageError(
            f"a card for {board.name} needs the boot firmware {', '.join(missing)}; not found in "
            f"{', '.join(map(str, directories)) or 'any directory'}",
            hint=f"apt install {PACKAGE} (Debian's section non-free-firmware), or --firmware DIR: "
            "the folder `boot` of github.com/raspberrypi/firmware; or --no-firmware for a card "
            "that boots already",
        )
    return found | find_files([LICENCE] if found else [], directories)


def _device_trees(
    card: Card, directories: Sequence[Path] | None, present: Collection[str]
) -> tuple[Mapping[str, Path | None], bool]:
    """Name -> file (None: on the card already), and whether these are Linux's names."""
    there = [{name: None for name in names if name in present} for names in card.all_device_trees]
    found = [find_files(names, directories or ()) for names in card.all_device_trees]
    makers, linux = there if any(there) else found
    # Some names are both the maker's and Linux's: the set is whose more files there are.
    mainline = len(linux) > len(makers)
    return linux if mainline else makers, mainline


def _model_place(
    board: Board, card: Card, image: Image, *, is_told: bool, own_partition: bool
) -> ModelPlace:
    if image.blob is None:
        return "kernel"
    size_bytes = image.blob.stat().st_size
    reads_partition = bool(board.sd) and own_partition
    if reads_partition and (size_bytes > INITRAMFS_MAX or not is_told):
        return "partition"
    if not is_told:
        raise ImageError(
            f"a card for {board.name} needs a device tree to tell the kernel where the "
            f"{size_bytes:,} bytes of {MODEL_FILE} are; found none of "
            + ", ".join((*card.device_trees, *card.mainline_device_trees)),
            hint="--firmware DIR with one of them: the folder `boot` of "
            "github.com/raspberrypi/firmware, or `broadcom` of Debian's arm64 kernel package",
        )
    if size_bytes > FAT_FILE_MAX:
        raise ImageError(
            f"{MODEL_FILE} has {size_bytes:,} bytes, a file on FAT32 at most {FAT_FILE_MAX:,}",
            hint="write the card as a whole (`flash --device`): the model gets its own partition"
            if board.sd
            else f"{board.name} reads models from files only: take a smaller one, or more "
            "quantised",
        )
    return "file"


def _check_files(files: Sequence[CardFile]) -> None:
    names: set[str] = set()
    for file in files:
        if file.name.lower() in names:  # FAT knows no case
            raise ImageError(
                f"two files of the card are called {file.name}", hint="see [card] of the board"
            )
        names.add(file.name.lower())
        if file.size_bytes > FAT_FILE_MAX:
            raise ImageError(
                f"{file.name} has {file.size_bytes:,} bytes, a file on FAT32 at most "
                f"{FAT_FILE_MAX:,}",
                hint="is this the file that was meant?",
            )


def _notes(
    board: Board, card: Card, files: Sequence[CardFile], *, is_told: bool
) -> tuple[str, ...]:
    notes = []
    if not is_told:
        notes.append(
            "no device tree found: the kernel takes RAM and addresses from the definition of "
            f"{board.name}"
        )
    for file in files:
        if file.name == MODEL_FILE and file.size_bytes > INITRAMFS_MAX and card.device_trees:
            notes.append(
                f"{MODEL_FILE} has {file.size_bytes >> 20} MiB: some firmware has cut files of "
                f"more than {INITRAMFS_MAX >> 20} MiB short. The kernel would notice and say so"
            )
    return tuple(notes)
