"""The map of a running kernel, read from its own tables over the link. Names: Arm ARM, D8.3."""

import re
from dataclasses import dataclass

from harness.link.session import Session

NEXT_TABLE = 0x0000_FFFF_FFFF_F000  # bits of an entry that are an address
VALID_TABLE = 3
READ_ONLY, PXN, UXN = 1 << 7, 1 << 53, 1 << 54


@dataclass(frozen=True)
class PageTables:
    """The level 1 table lies at `root`; three levels, 4 KiB granule."""

    session: Session
    root: int

    def is_writable(self, address: int) -> bool:
        """Data that can be written; what can be executed fails."""
        entry = self._leaf(address)
        assert entry & PXN, f"{address:#x} can be executed"
        assert entry & UXN, f"{address:#x} can be executed"
        return not entry & READ_ONLY

    def _leaf(self, address: int) -> int:
        table = self.root
        for shift in (30, 21, 12):
            place = table + (address >> shift) % 512 * 8
            entry = int.from_bytes(self.session.read_memory(place, 8), "little")
            assert entry & 1, f"{address:#x} is not mapped"
            if shift == 12 or entry & VALID_TABLE != VALID_TABLE:
                break
            table = entry & NEXT_TABLE
        return entry


def region(console: str, name: str) -> tuple[int, int]:
    """Address and size, in whole KiB, as the boot log prints them."""
    match = re.search(rf"0x([0-9a-f]+) +(\d+) KiB  {name}", console)
    assert match is not None, console
    return int(match[1], 16), int(match[2]) << 10
