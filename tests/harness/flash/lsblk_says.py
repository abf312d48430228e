"""lsblk's JSON of machines that are not here, in the shape of util-linux 2.38."""

import json
from typing import Any

Device = dict[str, Any]

GB = 10**9


def device(name: str, type: str, size: int, *children: Device, **facts: Any) -> Device:
    """One entry with all columns that are asked for; facts go under lsblk's names (`-` as `_`)."""
    given = {key.replace("__", ":").replace("_", "-"): value for key, value in facts.items()}
    return {
        "name": name,
        "path": f"/dev/{name}",
        "size": size,
        "type": type,
        "rm": False,
        "ro": False,
        "tran": None,
        "model": None,
        "serial": None,
        "maj:min": "8:16",
        "log-sec": 512,
        "mountpoints": [None],
        "fstype": None,
        "uuid": None,
        "label": None,
        **given,
        **({"children": list(children)} if children else {}),
    }


def disk(name: str, size: int, *children: Device, **facts: Any) -> Device:
    return device(name, "disk", size, *children, **facts)


def part(name: str, size: int, *children: Device, **facts: Any) -> Device:
    return device(name, "part", size, *children, **facts)


def reader(*children: Device, size: int = 32 * GB, name: str = "sdb", **facts: Any) -> Device:
    """A USB card reader, with a card of 32 GB unless said otherwise."""
    known = {"rm": True, "tran": "usb", "model": "STORAGE DEVICE", "serial": "000000000821"}
    return disk(name, size, *children, **{**known, **facts})


def answer(*devices: Device) -> str:
    return json.dumps({"blockdevices": list(devices)}, indent=3)


# The laptop that most of these machines are: an NVMe disk with an encrypted root.
NVME = disk(
    "nvme0n1",
    512 * GB,
    part("nvme0n1p1", GB, fstype="vfat", mountpoints=["/boot/efi"]),
    part(
        "nvme0n1p2",
        511 * GB,
        device("root", "crypt", 511 * GB, fstype="ext4", mountpoints=["/"]),
        fstype="crypto_LUKS",
    ),
    tran="nvme",
    model="SAMSUNG MZVL2512HCJQ-00BL7",
    serial="S64KNX0T123456",
    **{"maj:min": "259:0"},
)
FAT = part("sdb1", 31 * GB, fstype="vfat", label="boot", uuid="5E4B-2C11")
