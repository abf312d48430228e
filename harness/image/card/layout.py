"""Where everything is on a card: a FAT32 partition, and behind it the model when it is large."""

from dataclasses import dataclass

from harness.card import CARD_ALIGN, Card
from harness.image.card.contents import CardContents
from harness.image.card.mbr import FAT32_LBA, RAW_DATA, SECTOR, Partition
from harness.plan.memory import MIB, align_up

CLUSTER_SECTORS = 4  # as Raspberry Pi's own cards: 2 KiB
CLUSTER = CLUSTER_SECTORS * SECTOR
# FAT32 is what has 65525 clusters or more (Microsoft's FAT specification 1.03, page 14): 128 MiB,
# and some for the two tables, so that no reader takes it for FAT16.
FAT_BYTES_MIN = 136 * MIB
# `--files-only` puts a new file beside the old one before that goes: there is room for the largest.
ROOM_MAX = 256 * MIB
TABLES_SHARE = CLUSTER // 8  # two tables with four bytes a cluster each


@dataclass(frozen=True)
class CardLayout:
    """Partitions by their number - 1; disk_id: of this build, so that the same is the same.

    end_bytes: where the last partition ends. image_bytes: the next power of two, which QEMU wants.
    extents: (first byte, first byte after) of what must be written.
    """

    partitions: tuple[Partition, ...]
    disk_id: int
    end_bytes: int
    image_bytes: int
    extents: tuple[tuple[int, int], ...]


def plan_card(contents: CardContents, card: Card, build_id: int) -> CardLayout:
    """Give the files and the model their partitions; both begin where the card erases blocks."""
    sizes = [align_up(file.size_bytes, CLUSTER) for file in contents.files]
    folders = {file.name.rpartition("/")[0] for file in contents.files}
    filled = sum(sizes) + len(folders) * CLUSTER
    filled += filled // TABLES_SHARE + MIB
    fat_bytes = max(FAT_BYTES_MIN, filled + min(max(sizes), ROOM_MAX))
    fat = Partition(FAT32_LBA, card.first_lba, _sectors(fat_bytes), active=True)
    partitions = [fat]
    if contents.model is not None:
        n_sectors = _sectors(contents.model.stat().st_size)
        partitions.append(Partition(RAW_DATA, fat.end_lba, n_sectors))
    end_bytes = partitions[-1].end_lba * SECTOR
    # Before a partition that begins later than need be lies what is not ours: U-Boot itself.
    is_ours = card.first_lba == CARD_ALIGN
    extents = ((0, end_bytes),) if is_ours else ((0, SECTOR), (fat.offset, end_bytes))
    return CardLayout(
        partitions=tuple(partitions),
        disk_id=build_id & 0xFFFFFFFF,
        end_bytes=end_bytes,
        image_bytes=1 << (end_bytes - 1).bit_length(),
        extents=extents,
    )


def _sectors(size_bytes: int) -> int:
    return align_up(-(-size_bytes // SECTOR), CARD_ALIGN)
