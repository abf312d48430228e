"""card.json: what is on a card, with sizes and SHA-256; `flash` reads it back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import ImageError


@dataclass(frozen=True)
class Entry:
    """A file of partition 1, or (partition 2) the model itself; sha256 in hexadecimal."""

    partition: int
    name: str
    size_bytes: int
    sha256: str
    origin: str


@dataclass(frozen=True)
class PartitionEntry:
    """What the boot record says of a partition."""

    number: int
    type: int
    first_lba: int
    n_sectors: int
    holds: str


@dataclass(frozen=True)
class CardList:
    """A card image as it was made.

    image: its file name. size_bytes, sha256: of all of it, padding included.
    extents: (first byte, first byte after) of what `flash` must write.
    key: of everything that it was made from.
    """

    board: str
    build_id: str
    image: str
    size_bytes: int
    sha256: str
    extents: tuple[tuple[int, int], ...]
    partitions: tuple[PartitionEntry, ...]
    files: tuple[Entry, ...]
    notes: tuple[str, ...]
    key: str

    def as_dict(self) -> dict[str, Any]:
        """As card.json holds it."""
        return asdict(self)

    def table(self) -> str:
        """One line for each file: size, origin, SHA-256, name."""
        lines = [f"{'bytes':>15}  {'from':<8}  {'sha256':<64}  on the card"]
        for entry in self.files:
            name = entry.name if entry.partition == 1 else f"partition {entry.partition}"
            lines.append(f"{entry.size_bytes:>15,}  {entry.origin:<8}  {entry.sha256:<64}  {name}")
        return "\n".join(lines)


def read_card_list(path: Path) -> CardList:
    """card.json as it was written; ImageError when it is missing or something else."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        size_bytes = int(table["size_bytes"])
        return CardList(
            board=_text(table, "board"),
            build_id=_text(table, "build_id"),
            image=Path(_text(table, "image")).name,
            size_bytes=size_bytes,
            sha256=_text(table, "sha256"),
            extents=_extents(table, size_bytes),
            partitions=tuple(PartitionEntry(**entry) for entry in table["partitions"]),
            files=tuple(Entry(**entry) for entry in table["files"]),
            notes=tuple(table["notes"]),
            key=_text(table, "key"),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ImageError(
            f"{path} is not a list of a card: {exc}", hint="build the card again"
        ) from exc


def _extents(table: Mapping[str, Any], size_bytes: int) -> tuple[tuple[int, int], ...]:
    """In order, none empty, the boot record among them, and none past the image's end."""
    extents = tuple((int(first), int(end)) for first, end in table["extents"])
    bounds = [bound for extent in extents for bound in extent]
    in_order = bounds == sorted(bounds) and all(first < end for first, end in extents)
    if not (extents and in_order and bounds[0] == 0 and bounds[-1] <= size_bytes):
        raise ValueError(
            f"extents are {extents}, wanted spans from byte 0 on within {size_bytes:,} bytes"
        )
    return extents


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, wanted a string")
    return value
