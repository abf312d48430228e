"""What is known of a disk before anything is written to it, the same for Linux and macOS."""

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Volume:
    """A partition, or whatever is built on a disk: kind is lsblk's TYPE or diskutil's Content.

    filesystem: also the mark of a member of something larger, such as linux_raid_member.
    """

    name: str
    kind: str
    filesystem: str = ""
    uuid: str = ""
    label: str = ""
    mounted: tuple[str, ...] = ()
    children: tuple["Volume", ...] = ()

    def walk(self) -> Iterator["Volume"]:
        """This volume and all that is built on it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def unmounted(self) -> "Volume":
        """The same with nothing mounted."""
        children = tuple(child.unmounted() for child in self.children)
        return replace(self, mounted=(), children=children)


@dataclass(frozen=True)
class Disk:
    """One line of `flash --list`.

    path: what is opened. kind: `disk`, or what else it is. bus: usb, sd, emmc, mmc (card or not is
    unknown), sata, nvme and so on; empty when nothing says. removable: the medium can be taken out;
    a card in a built-in slot need not say so. number: major:minor, by which an open file is known
    to be this disk; empty on macOS. volume: the disk itself and all that is built on it.
    """

    name: str
    path: str
    kind: str
    size_bytes: int
    sector_bytes: int
    bus: str
    removable: bool
    read_only: bool
    model: str
    serial: str
    number: str
    volume: Volume

    @property
    def is_macos(self) -> bool:
        """Found by diskutil, which also unmounts and ejects it."""
        return self.path.startswith("/dev/rdisk")

    @property
    def is_usb_disk(self) -> bool:
        """On USB, with a medium that stays in: some sticks and readers, and every backup disk."""
        return self.bus == "usb" and not self.removable

    @property
    def title(self) -> str:
        """What a person knows it by: `SanDisk Ultra, 31.9 GB, usb, partitions: boot (vfat)`."""
        bus = "usb disk, no card reader" if self.is_usb_disk else self.bus or "bus unknown"
        parts = [self.model or "no name", decimal_size(self.size_bytes), bus]
        shown = [
            f"{child.label or child.name} ({child.filesystem or child.kind})"
            for child in self.volume.children
        ]
        return ", ".join(parts) + (f", holds {', '.join(shown)}" if shown else "")


def decimal_size(size_bytes: int) -> str:
    """As card makers count: 31.9 GB."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes:,} bytes"
