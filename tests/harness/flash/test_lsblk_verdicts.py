"""harness/flash/safety.py on Linux: which disk of which machine may be overwritten, and why not."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.errors import FlashError
from harness.flash.lsblk import parse_lsblk
from harness.flash.safety import choose, judge, refuse_to_guess
from tests.harness.flash.lsblk_says import (
    FAT,
    GB,
    NVME,
    Device,
    answer,
    device,
    disk,
    part,
    reader,
)


@dataclass(frozen=True)
class Machine:
    """Devices, the one that is asked about, and the sentence; none when it is a candidate."""

    devices: tuple[Device, ...]
    name: str
    refusal: str = ""
    card_types: dict[str, str] = field(default_factory=dict)


def usb_disk(*children: Device, **facts: Any) -> Device:
    return disk("sdb", 120 * GB, *children, tran="usb", model="Elements", serial="WX1", **facts)


MACHINES = {
    "a card in a USB reader": Machine((NVME, reader(FAT)), "sdb"),
    "a card without partitions": Machine((NVME, reader()), "sdb"),
    "a card in a built-in reader that says RM=0": Machine(
        (NVME, disk("mmcblk0", 64 * GB, part("mmcblk0p1", 63 * GB, fstype="exfat"))),
        "mmcblk0",
        card_types={"mmcblk0": "SD"},
    ),
    "a USB stick that says it is no removable medium": Machine((NVME, usb_disk()), "sdb"),
    "a card with a Linux of another board": Machine(
        (NVME, reader(FAT, part("sdb2", GB, fstype="ext4", label="rootfs", uuid="a1"))), "sdb"
    ),
    "the system's NVMe disk": Machine(
        (NVME, reader()), "nvme0n1", "nvme0n1 holds this system: nvme0n1p1 is /boot/efi"
    ),
    "a second, empty NVMe disk": Machine(
        (NVME, disk("nvme1n1", 128 * GB, tran="nvme")),
        "nvme1n1",
        "nvme1n1 is an internal disk or no card (nvme)",
    ),
    "an internal SATA disk": Machine(
        (NVME, disk("sda", 128 * GB, tran="sata")), "sda", "sda is an internal disk or no card"
    ),
    "a hot-swap SATA disk that says RM=1": Machine(
        (NVME, disk("sda", 128 * GB, tran="sata", rm=True)), "sda", "internal disk or no card (sata"
    ),
    "the disk of a virtual machine": Machine(
        (disk("vda", 64 * GB, tran="virtio"),), "vda", "vda is an internal disk or no card (virtio)"
    ),
    "a disk of which nothing says how it is attached": Machine(
        (NVME, disk("sdc", 32 * GB, rm=True)), "sdc", "nothing says how sdc is attached"
    ),
    "root on a USB disk": Machine(
        (usb_disk(part("sdb1", 100 * GB, fstype="ext4", mountpoints=["/"])),),
        "sdb",
        "sdb holds this system: sdb1 is /",
    ),
    "root on LVM on a USB disk": Machine(
        (
            usb_disk(
                part(
                    "sdb1",
                    100 * GB,
                    device("vg-root", "lvm", 50 * GB, fstype="ext4", mountpoints=["/"]),
                    fstype="LVM2_member",
                )
            ),
        ),
        "sdb",
        "sdb holds this system: vg-root is /",
    ),
    "a home on a USB disk, below a user's name": Machine(
        (NVME, usb_disk(part("sdb1", GB, fstype="ext4", mountpoints=[None, "/home/ann"]))),
        "sdb",
        "sdb holds this system: sdb1 is /home/ann",
    ),
    "an LVM member that is not in use": Machine(
        (NVME, usb_disk(part("sdb1", GB, fstype="LVM2_member"))),
        "sdb",
        "sdb is part of something larger: sdb1 belongs to an LVM volume group",
    ),
    "a member of a running md array": Machine(
        (
            NVME,
            usb_disk(
                part(
                    "sdb1",
                    GB,
                    device("md0", "raid1", GB, fstype="ext4"),
                    fstype="linux_raid_member",
                )
            ),
        ),
        "sdb",
        "sdb is part of something larger: sdb1 belongs to a RAID array (md)",
    ),
    "a whole disk in an array, without a mark that is known": Machine(
        (NVME, usb_disk(device("md127", "raid5", GB))),
        "sdb",
        "sdb is part of something larger: md127 (raid5)",
    ),
    "an array itself": Machine(
        (NVME, device("md0", "raid1", GB, fstype="ext4")), "md0", "md0 is made of other disks"
    ),
    "a member of a firmware RAID": Machine(
        (NVME, usb_disk(fstype="isw_raid_member")), "sdb", "belongs to a RAID array (Intel)"
    ),
    "a member of a ZFS pool": Machine(
        (
            NVME,
            usb_disk(part("sdb1", GB, fstype="zfs_member", label="tank"), part("sdb9", 8 << 20)),
        ),
        "sdb",
        "sdb is part of something larger: sdb1 belongs to a ZFS pool",
    ),
    "a volume of a ZFS pool": Machine(
        (NVME, disk("zd0", 32 * GB)), "zd0", "zd0 is a volume of a ZFS pool"
    ),
    "an open encrypted disk": Machine(
        (NVME, usb_disk(device("backup", "crypt", GB), fstype="crypto_LUKS")),
        "sdb",
        "sdb is part of something larger: sdb belongs to an encrypted volume (LUKS)",
    ),
    "a mapping on a card": Machine(
        (NVME, reader(device("mydm", "dm", GB))), "sdb", "part of something larger: mydm (dm)"
    ),
    "one disk of a btrfs that another has mounted": Machine(
        (
            disk("sda", 200 * GB, tran="sata", fstype="btrfs", uuid="b7", mountpoints=["/data"]),
            usb_disk(part("sdb1", GB, fstype="btrfs", uuid="b7")),
        ),
        "sdb",
        "sdb holds part of the btrfs that sda has mounted at /data",
    ),
    "swap on a USB disk": Machine(
        (NVME, usb_disk(part("sdb1", GB, fstype="swap", mountpoints=["[SWAP]"]))),
        "sdb",
        "sdb is in use: this machine swaps to sdb1",
    ),
    "swap space that is not in use": Machine(
        (NVME, usb_disk(part("sdb1", GB, fstype="swap"))), "sdb", "sdb holds swap space: sdb1"
    ),
    "a card that is mounted": Machine(
        (NVME, reader(part("sdb1", GB, fstype="vfat", mountpoints=["/media/ann/boot"]))),
        "sdb",
        "sdb is in use: sdb1 is mounted at /media/ann/boot",
    ),
    "a reader without a card": Machine((NVME, reader(size=0)), "sdb", "a reader without a card"),
    "a card whose slide is on LOCK": Machine(
        (NVME, reader(FAT, ro=True)), "sdb", "sdb cannot be written to"
    ),
    "memory soldered to the board": Machine(
        (
            disk("mmcblk0", 32 * GB, part("mmcblk0p1", GB, fstype="ext4")),
            disk("mmcblk0boot0", 4 << 20, ro=True),
            disk("mmcblk0boot1", 4 << 20, ro=True),
        ),
        "mmcblk0",
        "mmcblk0 is memory that is soldered to the board (eMMC)",
        card_types={"mmcblk0": "SD"},  # were it wrong, the boot areas would still tell
    ),
    "memory without boot areas": Machine(
        (NVME, disk("mmcblk1", 16 * GB)),
        "mmcblk1",
        "mmcblk1 is memory that is soldered to the board",
        card_types={"mmcblk1": "MMC"},
    ),
    "a boot area": Machine(
        (disk("mmcblk0", 32 * GB), disk("mmcblk0boot0", 4 << 20)),
        "mmcblk0boot0",
        "a boot area of memory that is soldered",
    ),
    "an MMC disk of which nothing says what it is": Machine(
        (NVME, disk("mmcblk0", 32 * GB)), "mmcblk0", "mmcblk0 may be a card or memory"
    ),
    "the card that this very machine runs from": Machine(
        (disk("mmcblk0", 32 * GB, part("mmcblk0p2", GB, fstype="ext4", mountpoints=["/"])),),
        "mmcblk0",
        "mmcblk0 holds this system: mmcblk0p2 is /",
        card_types={"mmcblk0": "SD"},
    ),
    "a loop device": Machine(
        (NVME, device("loop0", "loop", GB)), "loop0", "loop0 is a loop device"
    ),
    "compressed memory": Machine((NVME, disk("zram0", 8 * GB)), "zram0", "compressed memory"),
    "a network block device": Machine(
        (NVME, disk("nbd0", GB)), "nbd0", "nbd0 is on another machine"
    ),
    "an optical drive": Machine(
        (NVME, device("sr0", "rom", 4 * GB, tran="usb", rm=True)), "sr0", "sr0 is an optical drive"
    ),
    "an external RAID of 12 TB": Machine(
        (NVME, disk("sdb", 12_000 * GB, tran="usb", model="Thunderbay")),
        "sdb",
        "sdb has 12.0 TB, more than the 256.0 GB that cards have",
    ),
    "a card too small for anything": Machine(
        (NVME, reader(size=16_000_000)), "sdb", "sdb has 16.0 MB, wanted at least 64.0 MB"
    ),
    "a disk with sectors of 4096 bytes": Machine(
        (NVME, reader(log_sec=4096)), "sdb", "sdb has sectors of 4096 bytes, wanted 512"
    ),
}


@pytest.mark.parametrize("case", MACHINES)
def test_the_verdict_on_a_disk_of_linux(case: str) -> None:
    machine = MACHINES[case]
    disks = parse_lsblk(answer(*machine.devices), lambda name: machine.card_types.get(name, ""))
    verdict = judge(choose(disks, machine.name), disks)
    assert verdict.ok == (not machine.refusal), verdict
    assert machine.refusal in verdict.refusal


def test_there_are_machines_of_both_kinds() -> None:
    refused = [machine for machine in MACHINES.values() if machine.refusal]
    assert len(refused) >= 20
    assert len(MACHINES) - len(refused) >= 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lsblk's answer is not the JSON that it should be"),
        ("lsblk: unknown column: MOUNTPOINTS", "not the JSON that it should be"),
        ("[]", "not the JSON that it should be"),
        ("{}", "blockdevices"),
        ('{"blockdevices": null}', "has no list of disks but None"),
        ('{"blockdevices": ["sda"]}', "has 'sda' where a device should be"),
        (answer(reader(size=-1)), "says of sdb that size is -1, wanted a number"),
        (answer(reader(size=True)), "says of sdb that size is True, wanted a number"),
        (answer(reader(rm=None)), "says of sdb that rm is None, wanted true or false"),
        (answer(reader(rm="yes")), "says of sdb that rm is 'yes', wanted true or false"),
        (answer(reader(mountpoints="/")), "says of sdb that mountpoints is '/', wanted a list"),
        (answer(reader(tran=7)), "says of sdb that tran is 7, wanted a string or null"),
        (answer(reader(path="")), "says of sdb that path is '', wanted a name"),
        (answer({**reader(), "children": {}}), "says of sdb that children is {}, wanted a list"),
    ],
)
def test_what_lsblk_should_not_say_is_an_error(text: str, says: str) -> None:
    with pytest.raises(FlashError) as error:
        parse_lsblk(text, lambda _: "SD")
    assert says in str(error.value)


@pytest.mark.parametrize("key", sorted(set(reader()) - {"name"}))
def test_a_key_that_is_missing_is_named(key: str) -> None:
    without = {k: v for k, v in reader().items() if k != key}
    with pytest.raises(FlashError, match=f"lsblk says of sdb nothing about {key}"):
        parse_lsblk(answer(without), lambda _: "SD")


def test_older_words_for_numbers_and_flags_are_understood() -> None:
    disks = parse_lsblk(answer({**reader(rm="1", ro="0"), "size": "32000000000"}), lambda _: "")
    assert (disks[0].size_bytes, disks[0].removable, disks[0].read_only) == (32 * GB, True, False)


def test_the_only_candidate_is_not_chosen_for_the_user() -> None:
    for devices, names in (
        ((NVME, reader()), ["/dev/sdb"]),
        ((NVME, reader(), reader(name="sdc", serial="2")), ["/dev/sdb", "/dev/sdc"]),
        ((NVME,), []),
    ):
        error = refuse_to_guess(parse_lsblk(answer(*devices), lambda _: ""))
        assert "never guessed" in str(error)
        assert [name for name in ("/dev/sdb", "/dev/sdc") if name in error.hint] == names
        assert "nvme" not in error.hint


def test_a_partition_is_not_a_disk() -> None:
    disks = parse_lsblk(answer(NVME, reader(FAT)), lambda _: "")
    with pytest.raises(FlashError, match="/dev/sdb1 is part of sdb") as error:
        choose(disks, "/dev/sdb1")
    assert error.value.hint == "--device /dev/sdb, if that is the card"
    with pytest.raises(FlashError, match="there is no disk /dev/sdz"):
        choose(disks, "/dev/sdz")


def test_another_serial_number_is_another_card() -> None:
    disks = parse_lsblk(answer(reader(), reader(name="sdc", serial=None)), lambda _: "")
    assert choose(disks, "/dev/sdb", "000000000821").name == "sdb"
    for device_, found in (("/dev/sdb", "000000000821"), ("/dev/sdc", "(none)")):
        with pytest.raises(FlashError) as error:
            choose(disks, device_, "4711")
        assert f"has the serial number {found}, wanted 4711" in str(error.value)


def test_limits_are_those_of_the_image_and_the_user() -> None:
    (card,) = disks = parse_lsblk(answer(reader(size=300 * GB)), lambda _: "")
    verdict = judge(card, disks)
    assert verdict.hint == "--max-size 300G, if it is a card all the same"
    assert judge(card, disks, size_max=300 * GB).ok
    assert "wanted at least 301.0 GB" in judge(card, disks, size_min=301 * GB).refusal
