"""The master boot record: a card's first sector, which says where its partitions are."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

SECTOR = 512
FAT32_LBA = 0x0C  # what the Pi's boot ROM and U-Boot read; `LBA`: found by sector numbers
RAW_DATA = 0xDA  # "non-file-system data": no system mounts it or offers to format it
ACTIVE = 0x80

# Cylinder, head and sector of what they cannot express: everything is found by sector number.
NO_CHS = b"\xfe\xff\xff"
ENTRY = struct.Struct("<B3sB3sII")
DISK_ID_OFFSET, TABLE_OFFSET, SIGNATURE = 440, 446, b"\x55\xaa"
N_ENTRIES = 4


@dataclass(frozen=True)
class Partition:
    """A span of sectors; `end_lba` is exclusive."""

    type: int
    first_lba: int
    n_sectors: int
    active: bool = False

    @property
    def end_lba(self) -> int:
        """The first sector after the partition."""
        return self.first_lba + self.n_sectors

    @property
    def offset(self) -> int:
        """Where it begins, in bytes from the card's beginning."""
        return self.first_lba * SECTOR

    @property
    def size_bytes(self) -> int:
        """How much it holds."""
        return self.n_sectors * SECTOR


def boot_record(partitions: Sequence[Partition], disk_id: int) -> bytes:
    """512 bytes; disk_id (32 bits) is how systems tell two cards apart."""
    entries = b"".join(
        ENTRY.pack(ACTIVE if p.active else 0, NO_CHS, p.type, NO_CHS, p.first_lba, p.n_sectors)
        for p in partitions
    )
    head = bytes(DISK_ID_OFFSET) + struct.pack("<IH", disk_id, 0)
    return head + entries.ljust(N_ENTRIES * ENTRY.size, b"\0") + SIGNATURE


def read_boot_record(sector: bytes) -> tuple[Partition, ...]:
    """The partitions of a first sector; none when it is not a valid boot record."""
    if len(sector) < SECTOR or sector[SECTOR - 2 : SECTOR] != SIGNATURE:
        return ()
    found = []
    for i in range(N_ENTRIES):
        flag, _, kind, _, first, n_sectors = ENTRY.unpack_from(sector, TABLE_OFFSET + i * 16)
        if kind:
            found.append(Partition(kind, first, n_sectors, flag == ACTIVE))
    return tuple(found)
