"""A card image onto a card: everything, then read back, and the boot record last of all."""

import hashlib
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import CardMismatchError, FlashError
from harness.flash.device import BlockDevice
from harness.image.card.mbr import SECTOR

BLOCK = 4 << 20  # what cards erase at once
SYNC_BLOCKS = 4  # so that progress is the card's, not that of this machine's memory

Progress = Callable[[str, int], None]  # what is being done, and bytes of it since the last call
WRITING, VERIFYING = "writing", "verifying"


@dataclass(frozen=True)
class CardImage:
    """A file, its whole SHA-256, and the spans (first byte, first after) that go onto the card."""

    path: Path
    size_bytes: int
    sha256: str
    extents: tuple[tuple[int, int], ...]

    @property
    def end_bytes(self) -> int:
        """The first byte that no extent reaches: the least that a card must have."""
        return max(end for _, end in self.extents)

    @property
    def write_bytes(self) -> int:
        """How much is written, and read back."""
        return sum(end - first for first, end in self.extents)


def write_image(
    image: CardImage,
    card: BlockDevice,
    *,
    verify: bool = True,
    progress: Progress = lambda *_: None,
) -> None:
    """Write and verify; a card that is not whole, for whatever reason, has no boot record.

    FlashError: the image is not what was built. CardFailedError, CardMismatchError: the card's
    fault. Only a card that refuses to have its first sector wiped can keep a boot record: that
    is a CardFailedError of byte 0.
    """
    # An old boot record over half of a new image would look whole.
    card.write(0, bytes(SECTOR))
    card.sync()
    boot_record = _write_all_but_first(image, card, progress)
    card.sync()
    if verify:
        card.forget()
        _compare(image, card, bytes(SECTOR), progress)
    try:
        _write_first(boot_record, card, verify)
    except BaseException:  # Ctrl-C, too
        card.write(0, bytes(SECTOR))
        card.sync()
        raise


def _write_first(boot_record: bytes, card: BlockDevice, verify: bool) -> None:
    card.write(0, boot_record)
    card.sync()
    if verify:
        card.forget()
        _require_equal(card, 0, boot_record)


def _write_all_but_first(image: CardImage, card: BlockDevice, progress: Progress) -> bytes:
    """The first sector, which is left out."""
    digest = hashlib.sha256()
    boot_record = b""
    with image.path.open("rb") as file:
        for i, (offset, block) in enumerate(_blocks(file)):
            digest.update(block)
            if offset == 0:
                boot_record, block = block[:SECTOR], bytes(SECTOR) + block[SECTOR:]
            for first, piece in _pieces(image, offset, block):
                card.write(first, piece)
                progress(WRITING, len(piece))
            if i % SYNC_BLOCKS == SYNC_BLOCKS - 1 and offset < image.end_bytes:
                card.sync()
    if digest.hexdigest() != image.sha256:
        raise FlashError(
            f"{image.path} has SHA-256 {digest.hexdigest()[:16]}..., its list says "
            f"{image.sha256[:16]}...",
            hint="it was changed or cut short: build the card again. What is written cannot boot",
        )
    return boot_record


def _compare(image: CardImage, card: BlockDevice, first_sector: bytes, progress: Progress) -> None:
    with image.path.open("rb") as file:
        for offset, block in _blocks(file):
            if offset >= image.end_bytes:
                break
            if offset == 0:
                block = first_sector + block[SECTOR:]
            for first, piece in _pieces(image, offset, block):
                _require_equal(card, first, piece)
                progress(VERIFYING, len(piece))


def _require_equal(card: BlockDevice, offset: int, wanted: bytes | memoryview) -> None:
    found, wanted = card.read(offset, len(wanted)), bytes(wanted)
    if found == wanted:
        return
    i = bisect(range(len(wanted)), False, key=lambda i: found[: i + 1] != wanted[: i + 1])
    raise CardMismatchError(
        f"{card.path} gives back 0x{found[i]:02x} at byte {offset + i:,}, written was "
        f"0x{wanted[i]:02x}",
        hint="the card is broken or counterfeit (smaller than it says), or the reader is; take "
        "another. It has no boot record now",
    )


def _blocks(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while block := file.read(BLOCK):
        yield offset, block
        offset += len(block)


def _pieces(image: CardImage, offset: int, block: bytes) -> Iterator[tuple[int, memoryview]]:
    """The parts of a block that belong onto the card."""
    view = memoryview(block)
    for first, end in image.extents:
        begin, stop = max(first, offset), min(end, offset + len(block))
        if begin < stop:
            yield begin, view[begin - offset : stop - offset]
