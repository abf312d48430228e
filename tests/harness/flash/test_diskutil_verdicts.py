"""harness/flash/safety.py on macOS: the same rules on what diskutil says."""

import plistlib
from typing import Any

import pytest

from harness.errors import FlashError
from harness.flash.diskutil import parse_diskutil
from harness.flash.safety import choose, judge

Table = dict[str, Any]
GB = 10**9


def partition(name: str, content: str, **facts: Any) -> Table:
    return {"DeviceIdentifier": name, "Content": content, "Size": GB, **facts}


def listed(name: str, *partitions: Table, **facts: Any) -> Table:
    scheme = "FDisk_partition_scheme"
    parts = list(partitions)
    return {"DeviceIdentifier": name, "Content": scheme, "Size": GB, "Partitions": parts, **facts}


def facts(name: str, **changes: Any) -> Table:
    """`diskutil info` of a card of 32 GB in a USB reader, unless said otherwise."""
    return {
        "DeviceIdentifier": name,
        "DeviceNode": f"/dev/{name}",
        "BusProtocol": "USB",
        "Internal": False,
        "RemovableMedia": True,
        "Ejectable": True,
        "WritableMedia": True,
        "VirtualOrPhysical": "Physical",
        "Size": 32 * GB,
        "DeviceBlockSize": 512,
        "MediaName": "STORAGE DEVICE",
        **changes,
    }


INTERNAL = {"BusProtocol": "Apple Fabric", "Internal": True, "RemovableMedia": False}
VIRTUAL = {"VirtualOrPhysical": "Virtual", "RemovableMedia": False}
CARD = listed("disk4", partition("disk4s1", "Windows_FAT_32", VolumeName="boot"))

# The Mac itself: one disk, and what APFS makes of it.
DISK0 = listed("disk0", partition("disk0s1", "Apple_APFS_ISC"), partition("disk0s2", "Apple_APFS"))
DISK3 = listed(
    "disk3",
    APFSPhysicalStores=[{"DeviceIdentifier": "disk0s2"}],
    APFSVolumes=[
        {
            "DeviceIdentifier": "disk3s1",
            "MountedSnapshots": [{"SnapshotMountPoint": "/"}],
            "VolumeName": "Macintosh HD",
        }
    ],
)
MAC = ((DISK0, facts("disk0", **INTERNAL, Size=494 * GB)), (DISK3, facts("disk3", **INTERNAL)))

Machine = tuple[tuple[Table, Table], ...]

MACHINES: dict[str, tuple[Machine, str, str]] = {
    "a card in a USB reader": ((*MAC, (CARD, facts("disk4"))), "disk4", ""),
    "a card in the built-in slot, which is internal": (
        (*MAC, (CARD, facts("disk4", BusProtocol="Secure Digital", Internal=True))),
        "disk4",
        "",
    ),
    "the Mac's own disk": (MAC, "disk0", "disk0 holds this system: disk3s1 is /"),
    "what APFS makes of it": (MAC, "disk3", "disk3 is no disk but: APFS container"),
    "an internal disk of which nothing is mounted": (
        ((listed("disk0"), facts("disk0", **INTERNAL)),),
        "disk0",
        "disk0 is an internal disk or no card (nvme)",
    ),
    "a chip on the machine's own USB": (
        ((CARD, facts("disk4", Internal=True)),),
        "disk4",
        "disk4 is an internal disk or no card (internal usb)",
    ),
    "a Mac that runs from a USB disk": (
        (
            (
                listed("disk4", partition("disk4s2", "Apple_APFS")),
                facts("disk4", RemovableMedia=False),
            ),
            (
                listed(
                    "disk5",
                    APFSPhysicalStores=[{"DeviceIdentifier": "disk4s2"}],
                    APFSVolumes=[
                        {"DeviceIdentifier": "disk5s5", "MountPoint": "/System/Volumes/VM"}
                    ],
                ),
                facts("disk5", **VIRTUAL),
            ),
        ),
        "disk4",
        "disk4 holds this system: disk5s5 is /System/Volumes/VM",
    ),
    "Time Machine's disk, not mounted": (
        ((listed("disk4", partition("disk4s2", "Apple_APFS")), facts("disk4")),),
        "disk4",
        "disk4 is part of something larger: disk4s2 belongs to an APFS container",
    ),
    "a member of Apple's RAID": (
        ((listed("disk4", partition("disk4s2", "Apple_RAID")), facts("disk4")),),
        "disk4",
        "disk4s2 belongs to a RAID array (Apple)",
    ),
    "a card that is mounted, as they all are at first": (
        (
            (
                listed("disk4", partition("disk4s1", "DOS_FAT_32", MountPoint="/Volumes/boot")),
                facts("disk4"),
            ),
        ),
        "disk4",
        "disk4 is in use: disk4s1 is mounted at /Volumes/boot",
    ),
    "a disk image": (
        ((listed("disk6"), facts("disk6", BusProtocol="Disk Image", **VIRTUAL)),),
        "disk6",
        "disk6 is no disk but: virtual disk",
    ),
    "a reader without a card": (
        ((listed("disk4"), facts("disk4", Size=0)),),
        "disk4",
        "disk4 is a reader without a card",
    ),
    "a locked card": (
        ((CARD, facts("disk4", WritableMedia=False)),),
        "disk4",
        "disk4 cannot be written to",
    ),
    "a backup disk of 4 TB": (
        ((CARD, facts("disk4", Size=4000 * GB, RemovableMedia=False)),),
        "disk4",
        "disk4 has 4.0 TB, more than the 256.0 GB that cards have",
    ),
    "a bus that nobody has heard of": (
        ((CARD, facts("disk4", BusProtocol="Quantum Link")),),
        "disk4",
        "disk4 is an internal disk or no card (quantum link)",
    ),
}


def parsed(machine: Machine) -> tuple[Any, ...]:
    infos = {info["DeviceIdentifier"]: plistlib.dumps(info) for _, info in machine}
    listing = {"AllDisksAndPartitions": [table for table, _ in machine]}
    return parse_diskutil(plistlib.dumps(listing), infos.__getitem__)


@pytest.mark.parametrize("case", MACHINES)
def test_the_verdict_on_a_disk_of_macos(case: str) -> None:
    machine, name, refusal = MACHINES[case]
    disks = parsed(machine)
    verdict = judge(choose(disks, name), disks)
    assert verdict.ok == (not refusal), verdict
    assert refusal in verdict.refusal


def test_what_is_written_to_is_not_buffered() -> None:
    (disk,) = parsed(((CARD, facts("disk4")),))
    assert disk.path == "/dev/rdisk4"
    assert choose([disk], "/dev/disk4") is disk
    assert "boot (Windows_FAT_32)" in disk.title


@pytest.mark.parametrize("key", ["DeviceNode", "BusProtocol", "Internal", "RemovableMedia", "Size"])
def test_a_key_that_is_missing_is_named(key: str) -> None:
    info = {k: v for k, v in facts("disk4").items() if k != key}
    with pytest.raises(FlashError, match=f"disk4 that {key} is None, wanted"):
        parsed(((CARD, info),))


@pytest.mark.parametrize("key", ["MountPoint", "Content", "VolumeUUID"])
def test_what_would_hide_a_mounted_or_member_volume_is_an_error(key: str) -> None:
    card = listed("disk4", {**partition("disk4s1", "Windows_FAT_32"), key: 7})
    with pytest.raises(FlashError, match=f"disk4s1 that {key} is 7, wanted a string"):
        parsed(((card, facts("disk4")),))


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        (b"", "no property list"),
        (b"<plist", "no property list"),
        (b"\x00\xff" * 40, "no property list"),
        (plistlib.dumps([1]), "is list, wanted a table"),
        (plistlib.dumps({}), "has no list AllDisksAndPartitions"),
        (plistlib.dumps({"AllDisksAndPartitions": ["disk0"]}), "'disk0' where a disk should be"),
        (plistlib.dumps({"AllDisksAndPartitions": [{}]}), "a disk that DeviceIdentifier is None"),
    ],
)
def test_what_diskutil_should_not_say_is_an_error(listing: bytes, says: str) -> None:
    with pytest.raises(FlashError) as error:
        parse_diskutil(listing, lambda name: plistlib.dumps(facts(name)))
    assert says in str(error.value)
