"""Boards, kernels and boot firmware for the tests of cards; the firmware is random bytes."""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

from harness.board import Board, load_board
from harness.card import Card
from harness.image import Image

BUILD_ID = 0x0123_4567_89AB_CDEF


def made_image(directory: Path, blob_bytes: int | None = 100_000) -> Image:
    """A kernel, and a model beside it unless blob_bytes is None."""
    directory.mkdir(parents=True, exist_ok=True)
    kernel8 = directory / "kernel8.img"
    kernel8.write_bytes(random.Random(2).randbytes(70_000))
    blob = None
    if blob_bytes is not None:
        blob = directory / "model.blob"
        with blob.open("wb") as file:
            file.write(b"BAREWORD" + random.Random(3).randbytes(50_000))
            file.truncate(blob_bytes)
    return Image(kernel8, blob, BUILD_ID)


def made_firmware(directory: Path, names: Sequence[str]) -> Path:
    """A folder as a firmware package has it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(random.Random(name).randbytes(3000))
    return directory


def with_card(board: Board, **changes: object) -> Board:
    """The same board with another [card]."""
    return dataclasses.replace(board, card=dataclasses.replace(card_of(board), **changes))  # type: ignore[arg-type]


def card_of(board: Board) -> Card:
    assert board.card is not None
    return board.card


PI4 = load_board("pi4")
PI4_TREE = "bcm2711-rpi-4-b.dtb"
PI4_FILES = (*card_of(PI4).firmware, PI4_TREE)
