"""May this disk be overwritten? Only what is on USB or in a card slot, and not in use.

Every other answer is a sentence. A disk on USB need not be a card: a person has to name it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import FlashError
from harness.flash.disk import Disk, decimal_size
from harness.flash.folders import is_mounted_by_the_system

SIZE_MIN = 64 * 10**6  # a smaller disk is a mistake or a broken reader
SIZE_MAX = 256 * 10**9  # a larger one more likely holds somebody's backups: --max-size
CARD_SECTOR = 512  # in which the boot record counts

# Disks that are not there, or are made of others: lsblk calls some of them plain disks.
MADE_UP = (
    (r"zram\d", "compressed memory"),
    (r"ram\d", "memory"),
    (r"loop\d", "a loop device"),
    (r"(dm-|md)\d", "made of other disks"),
    (r"zd\d", "a volume of a ZFS pool"),
    (r"bcache\d", "a cache in front of another disk"),
    (r"(nbd|rbd|drbd)\d", "on another machine"),
    (r"mtdblock\d", "flash memory of the board"),
)
KINDS = {
    "part": "a partition",
    "loop": "a loop device",
    "rom": "an optical drive",
    "crypt": "an encrypted volume",
    "lvm": "a logical volume",
    "mpath": "a path of a multipath disk",
}
MEMBERS = {
    "linux_raid_member": "a RAID array (md)",
    "isw_raid_member": "a RAID array (Intel)",
    "ddf_raid_member": "a RAID array (DDF)",
    "LVM2_member": "an LVM volume group",
    "zfs_member": "a ZFS pool",
    "bcache": "a bcache",
    "drbd": "a DRBD volume",
    "crypto_LUKS": "an encrypted volume (LUKS)",
    "BitLocker": "an encrypted volume (BitLocker)",
    "ceph_bluestore": "a Ceph store",
    "VMFS_volume_member": "a VMFS store",
    "Apple_APFS": "an APFS container",
    "Apple_RAID": "a RAID array (Apple)",
    "Apple_CoreStorage": "a CoreStorage volume group",
}
SWAP = "[SWAP]"

CARD_BUSES = {"usb", "sd"}


@dataclass(frozen=True)
class Verdict:
    """refusal: why not, empty when the disk is a candidate. hint: what to do then."""

    refusal: str
    hint: str = ""

    @property
    def ok(self) -> bool:
        """The disk may be written to, once a person has confirmed it by name."""
        return not self.refusal


def judge(
    disk: Disk,
    disks: Sequence[Disk],
    *,
    size_min: int = SIZE_MIN,
    size_max: int = SIZE_MAX,
    unmount: bool = False,
) -> Verdict:
    """The first rule that the disk breaks; disks: all that this machine has.

    size_min, size_max: bytes; the least is that of the image when one is to be written. unmount:
    what is mounted from it, and not by this system, is to be unmounted first.
    """
    for rule in RULES:
        if unmount and rule is _is_not_mounted:
            continue
        verdict = rule(disk)
        if not verdict.ok:
            return verdict
    shared = _shared_filesystem(disk, disks)
    if shared:
        return Verdict(shared, "a file system of several disks dies with one of them")
    size = decimal_size(disk.size_bytes)
    if disk.size_bytes < max(size_min, SIZE_MIN):
        wanted = decimal_size(max(size_min, SIZE_MIN))
        return Verdict(f"{disk.name} has {size}, wanted at least {wanted}", "take a larger card")
    if disk.size_bytes > size_max:
        return Verdict(
            f"{disk.name} has {size}, more than the {decimal_size(size_max)} that cards have",
            f"--max-size {-(-disk.size_bytes // 10**9)}G, if it is a card all the same",
        )
    return Verdict("")


def _is_a_disk(disk: Disk) -> Verdict:
    for pattern, what in MADE_UP:
        if re.match(pattern, disk.name):
            return Verdict(f"{disk.name} is {what}")
    if disk.kind != "disk":
        what = KINDS.get(disk.kind) or f"a RAID array ({disk.kind})" * disk.kind.startswith("raid")
        hint = "name the whole disk" if disk.kind == "part" else ""
        return Verdict(f"{disk.name} is {what or f'no disk but: {disk.kind}'}", hint)
    if re.fullmatch(r"mmcblk\d+(boot\d+|rpmb|gp\d+)", disk.name):
        return Verdict(f"{disk.name} is a boot area of memory that is soldered to the board")
    return Verdict("")


def _holds_no_system(disk: Disk) -> Verdict:
    for volume in disk.volume.walk():
        for point in volume.mounted:
            if point == SWAP:
                return Verdict(f"{disk.name} is in use: this machine swaps to {volume.name}")
            if is_mounted_by_the_system(point):
                return Verdict(f"{disk.name} holds this system: {volume.name} is {point}")
    return Verdict("")


def _is_no_member(disk: Disk) -> Verdict:
    for volume in disk.volume.walk():
        what = MEMBERS.get(volume.filesystem)
        if what is None and volume.filesystem.endswith("_raid_member"):
            what = "a RAID array"
        if what is not None:
            return Verdict(
                f"{disk.name} is part of something larger: {volume.name} belongs to {what}",
                "take it apart with its own tools first, if nothing on it is needed",
            )
        if volume.filesystem == "swap":
            return Verdict(f"{disk.name} holds swap space: {volume.name}")
    for child in disk.volume.children:
        built = [v for v in child.walk() if v is not child]
        if built or child.kind != "part":
            top = built[0] if built else child
            return Verdict(f"{disk.name} is part of something larger: {top.name} ({top.kind})")
    return Verdict("")


def _is_not_mounted(disk: Disk) -> Verdict:
    for volume in disk.volume.walk():
        for point in volume.mounted:
            command = f"diskutil unmountDisk {disk.name}" if disk.is_macos else f"umount {point}"
            return Verdict(
                f"{disk.name} is in use: {volume.name} is mounted at {point}",
                f"{command}, or --unmount; or leave it mounted, and --files-only {point}",
            )
    return Verdict("")


def _is_on_a_card_bus(disk: Disk) -> Verdict:
    if disk.bus == "emmc":
        return Verdict(f"{disk.name} is memory that is soldered to the board (eMMC), no card")
    if disk.bus == "mmc":
        return Verdict(
            f"{disk.name} may be a card or memory that is soldered to the board: nothing says which"
        )
    if not disk.bus:
        return Verdict(f"nothing says how {disk.name} is attached: it may be an internal disk")
    if disk.bus not in CARD_BUSES:
        return Verdict(f"{disk.name} is an internal disk or no card ({disk.bus})")
    return Verdict("")


def _holds_a_card(disk: Disk) -> Verdict:
    if disk.size_bytes == 0:
        return Verdict(f"{disk.name} is a reader without a card", "put the card in")
    if disk.read_only:
        return Verdict(
            f"{disk.name} cannot be written to",
            "the slide of an SD card or its adapter may stand on LOCK",
        )
    if disk.sector_bytes != CARD_SECTOR:
        return Verdict(
            f"{disk.name} has sectors of {disk.sector_bytes} bytes, wanted {CARD_SECTOR}",
            "boards read cards in sectors of 512 bytes",
        )
    return Verdict("")


RULES: tuple[Callable[[Disk], Verdict], ...] = (
    _is_a_disk,
    _holds_no_system,
    _is_no_member,
    _is_not_mounted,
    _is_on_a_card_bus,
    _holds_a_card,
)


def _shared_filesystem(disk: Disk, disks: Sequence[Disk]) -> str:
    """A file system of several disks (btrfs, bcachefs) that is mounted by another one's name."""
    mine = {(v.filesystem, v.uuid) for v in disk.volume.walk() if v.uuid}
    for other in disks:
        for volume in other.volume.walk():
            if (
                other.name != disk.name
                and volume.mounted
                and (volume.filesystem, volume.uuid) in mine
            ):
                return (
                    f"{disk.name} holds part of the {volume.filesystem} that {volume.name} has "
                    f"mounted at {volume.mounted[0]}"
                )
    return ""


def choose(disks: Sequence[Disk], device: str, serial: str | None = None) -> Disk:
    """The disk of that path or name; never one that merely happens to be the only one."""
    by_name = {name: disk for disk in disks for name in (disk.name, disk.path, f"/dev/{disk.name}")}
    disk = by_name.get(device)
    if disk is None:
        for whole in disks:
            for volume in whole.volume.walk():
                if device in (volume.name, f"/dev/{volume.name}", f"/dev/r{volume.name}"):
                    raise FlashError(
                        f"{device} is part of {whole.name}, wanted a whole disk",
                        hint=f"--device {whole.path}, if that is the card",
                    )
        raise FlashError(f"there is no disk {device}", hint=_candidates(disks))
    if serial is not None and serial != disk.serial:
        raise FlashError(
            f"{disk.path} has the serial number {disk.serial or '(none)'}, wanted {serial}",
            hint="another card or reader may have taken this name since",
        )
    return disk


def name_to_type(disk: Disk) -> str:
    """What a person types to confirm: a USB disk may hold backups, and `sdb` is quickly typed.

    FlashError when a USB disk has neither serial number nor model.
    """
    if not disk.is_usb_disk:
        return disk.name
    if not (disk.serial or disk.model):
        raise FlashError(
            f"{disk.name} is a USB disk, no card reader, and has neither serial number nor model "
            "by which to confirm that it is meant",
            hint="put the card into a reader, or write card.img with the system's own tools",
        )
    return disk.serial or disk.model


def refuse_to_guess(disks: Sequence[Disk]) -> FlashError:
    """What to say when no device was named, whether there are none, one or many."""
    return FlashError(
        "no device named: which card is meant is never guessed", hint=_candidates(disks)
    )


def _candidates(disks: Sequence[Disk]) -> str:
    found = [f"{disk.path} ({disk.title})" for disk in disks if judge(disk, disks).ok]
    return "candidates: " + "; ".join(found) if found else "no candidate found; `flash --list`"
