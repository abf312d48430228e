"""card.img: the layout and the contents, written; the same inputs give the same bytes."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from harness.errors import ImageError
from harness.image.card.contents import MODEL_FILE, CardContents
from harness.image.card.fat import Fat, require_mtools
from harness.image.card.layout import CardLayout
from harness.image.card.listing import CardList, Entry, PartitionEntry
from harness.image.card.mbr import FAT32_LBA, boot_record

CHUNK = 4 << 20
FAT_FIRST_YEAR = 315_532_800  # 1980 in seconds: FAT knows no earlier time
FAT_LAST_YEAR = 4_354_819_200  # 2108: and no later

Advance = Callable[[int], None]


def write_card(
    contents: CardContents,
    layout: CardLayout,
    path: Path,
    *,
    board: str,
    build_id: int,
    epoch: int,
    key: str,
    advance: Advance = lambda _: None,
) -> CardList:
    """Make a card image, sparse where it holds nothing; an older one stays until this is whole.

    epoch: every time stamp, seconds since 1970. advance: bytes copied, then bytes hashed.
    ImageError: mtools is missing, the disk is full, or time and FAT do not go together.
    """
    require_mtools()
    if not FAT_FIRST_YEAR <= epoch < FAT_LAST_YEAR:
        raise ImageError(
            f"SOURCE_DATE_EPOCH is {epoch}, wanted {FAT_FIRST_YEAR} (1980) or later and below "
            f"{FAT_LAST_YEAR} (2108)",
            hint="these are the years that FAT can write",
        )
    _require_space(contents, layout, path)
    temporary = path.with_name(f".{path.name}.new")
    try:
        files = _fill(contents, layout, temporary, epoch, advance)
        digest = hashlib.sha256()
        with temporary.open("rb") as file:
            for chunk in _chunks(file):
                digest.update(chunk)
                advance(len(chunk))
        temporary.replace(path)
    except OSError as exc:
        raise ImageError(
            f"cannot write {path}: {exc.strerror or exc}", hint="is the disk full or read-only?"
        ) from exc
    finally:
        temporary.unlink(missing_ok=True)
    partitions = tuple(
        PartitionEntry(i + 1, p.type, p.first_lba, p.n_sectors, _holds(p.type))
        for i, p in enumerate(layout.partitions)
    )
    return CardList(
        board=board,
        build_id=f"{build_id:016x}",
        image=path.name,
        size_bytes=layout.image_bytes,
        sha256=digest.hexdigest(),
        extents=layout.extents,
        partitions=partitions,
        files=files,
        notes=contents.notes,
        key=key,
    )


def work_bytes(contents: CardContents, layout: CardLayout) -> int:
    """What `advance` of write_card adds up to."""
    model = 0 if contents.model is None else contents.model.stat().st_size
    return sum(file.size_bytes for file in contents.files) + model + layout.image_bytes


def _fill(
    contents: CardContents, layout: CardLayout, image: Path, epoch: int, advance: Advance
) -> tuple[Entry, ...]:
    with image.open("wb") as file:
        file.truncate(layout.image_bytes)
        file.write(boot_record(layout.partitions, layout.disk_id))
    fat = Fat(image, layout.partitions[0], serial=layout.disk_id, epoch=epoch)
    fat.make_folders(contents.files)
    entries = [
        Entry(1, file.name, file.size_bytes, fat.add(file, advance), file.origin)
        for file in contents.files
    ]
    if contents.model is not None:
        digest = hashlib.sha256()
        size_bytes = 0
        with contents.model.open("rb") as source, image.open("r+b") as partition:
            partition.seek(layout.partitions[1].offset)
            for chunk in _chunks(source):
                partition.write(chunk)
                digest.update(chunk)
                size_bytes += len(chunk)
                advance(len(chunk))
        entries.append(Entry(2, MODEL_FILE, size_bytes, digest.hexdigest(), "build"))
    return tuple(entries)


def _require_space(contents: CardContents, layout: CardLayout, path: Path) -> None:
    """ImageError before anything is written, when the disk cannot take it."""
    # Holes of the image take nothing; the tables of FAT32 and its folders are below 1 % of it.
    needed = work_bytes(contents, layout) - layout.image_bytes + layout.end_bytes // 100
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as exc:
        raise ImageError(f"cannot write {path}: {exc.strerror}") from exc
    if needed > free:
        raise ImageError(
            f"{path} takes {needed:,} bytes, {path.parent} has {free:,} free",
            hint="make room, or choose another place with -o DIR",
        )


def _holds(type: int) -> str:
    return "FAT32" if type == FAT32_LBA else MODEL_FILE


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
