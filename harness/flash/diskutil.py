"""macOS: what diskutil says of all disks -> Disk. Anything unexpected in it is an error."""

import plistlib
import subprocess
from collections.abc import Callable, Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from harness.errors import FlashError
from harness.flash.disk import Disk, Volume

TIMEOUT_S = 60
HINT = "`diskutil list -plist` shows what it says"

# Their words for what Linux calls a bus. The slot of a MacBook is internal, its card is not.
BUSES = {
    "USB": "usb",
    "Secure Digital": "sd",
    "PCI-Express": "nvme",
    "Apple Fabric": "nvme",
    "SATA": "sata",
    "SAS": "sas",
    "FireWire": "firewire",
    "Thunderbolt": "thunderbolt",
    "Disk Image": "disk image",
    "Virtual Interface": "virtual",
}

Info = Callable[[str], bytes]


def read_disks() -> tuple[Disk, ...]:
    """All disks of this machine, the system's own among them."""
    return parse_diskutil(_ask("list", "-plist"), lambda name: _ask("info", "-plist", name))


def _ask(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["diskutil", *arguments], capture_output=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise FlashError(f"cannot ask diskutil which disks there are: {exc}") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise FlashError(f"diskutil failed: {said}", hint=HINT)
    return done.stdout


def parse_diskutil(listing: bytes, info: Info) -> tuple[Disk, ...]:
    """diskutil's property lists as disks; info gives that of one disk."""
    tables = _table(listing).get("AllDisksAndPartitions")
    if not isinstance(tables, list):
        raise FlashError("diskutil's answer has no list AllDisksAndPartitions", hint=HINT)
    containers = _containers(tables)
    return tuple(_disk(table, containers, info) for table in tables)


def _table(data: bytes) -> Mapping[str, Any]:
    try:
        table = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError) as exc:
        raise FlashError(f"diskutil's answer is no property list: {exc}", hint=HINT) from exc
    if not isinstance(table, dict):
        raise FlashError(f"diskutil's answer is {type(table).__name__}, wanted a table", hint=HINT)
    return table


def _containers(tables: list[Any]) -> dict[str, list[Volume]]:
    """Partition -> the APFS containers that are built on it."""
    built: dict[str, list[Volume]] = {}
    for table in tables:
        stores = _list(table, "APFSPhysicalStores")
        if not stores:
            continue
        container = _volume(table, {}, kind="APFS container")
        for store in stores:
            built.setdefault(_text(store, "DeviceIdentifier"), []).append(container)
    return built


def _disk(table: Any, containers: Mapping[str, list[Volume]], info: Info) -> Disk:
    name = _text(table, "DeviceIdentifier")
    facts = _table(info(name))
    protocol = _text(facts, "BusProtocol")
    bus = BUSES.get(protocol, protocol.lower())
    # A chip on the USB of the machine itself is none of our cards.
    if _flag(facts, "Internal") and bus == "usb":
        bus = "internal usb"
    is_physical = _text(facts, "VirtualOrPhysical") == "Physical"
    is_synthesized = bool(_list(table, "APFSPhysicalStores"))
    kind = "APFS container" if is_synthesized else "disk" if is_physical else "virtual disk"
    return Disk(
        name=name,
        path=_text(facts, "DeviceNode").replace("/dev/disk", "/dev/rdisk"),  # not buffered
        kind=kind,
        size_bytes=_number(facts, "Size"),
        sector_bytes=_number(facts, "DeviceBlockSize"),
        bus=bus,
        removable=_flag(facts, "RemovableMedia"),
        read_only=not _flag(facts, "WritableMedia"),
        model=_text_or_none(facts, "MediaName").strip(),
        serial="",  # diskutil does not tell
        number="",
        volume=_volume(table, containers, kind=kind),
    )


def _volume(table: Any, containers: Mapping[str, list[Volume]], *, kind: str = "part") -> Volume:
    name = _text(table, "DeviceIdentifier")
    content = _text_or_none(table, "Content")
    parts = [*_list(table, "Partitions"), *_list(table, "APFSVolumes")]
    # The sealed system volume itself is mounted nowhere, its snapshot at `/`.
    snapshots = _list(table, "MountedSnapshots")
    mounted = [_text_or_none(s, "SnapshotMountPoint") for s in snapshots]
    mounted.append(_text_or_none(table, "MountPoint"))
    return Volume(
        name=name,
        kind=kind,
        filesystem=content,
        uuid=_text_or_none(table, "VolumeUUID"),
        label=_text_or_none(table, "VolumeName"),
        mounted=tuple(filter(None, mounted)),
        children=(*(_volume(part, containers) for part in parts), *containers.get(name, ())),
    )


def _list(table: Any, key: str) -> list[Any]:
    if not isinstance(table, dict):
        raise FlashError(f"diskutil says {table!r} where a disk should be", hint=HINT)
    value = table.get(key, [])
    if not isinstance(value, list):
        raise _wrong(table, key, "a list")
    return value


def _text(table: Any, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, str) or not value:
        raise _wrong(table, key, "a name")
    return value


def _text_or_none(table: Any, key: str) -> str:
    value = table.get(key, "") if isinstance(table, dict) else None
    if not isinstance(value, str):
        raise _wrong(table, key, "a string")
    return value


def _number(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    if type(value) is not int or value < 0:
        raise _wrong(table, key, "a number")
    return value


def _flag(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key)
    if not isinstance(value, bool):
        raise _wrong(table, key, "true or false")
    return value


def _wrong(table: Any, key: str, wanted: str) -> FlashError:
    if not isinstance(table, dict):
        return FlashError(f"diskutil says {table!r} where a disk should be", hint=HINT)
    name = table.get("DeviceIdentifier", "a disk")
    return FlashError(
        f"diskutil says of {name} that {key} is {table.get(key)!r}, wanted {wanted}", hint=HINT
    )
