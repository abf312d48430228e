"""`flash --device`: a mounted card is unmounted if that is asked for, a written one is ejected."""

import pytest

from harness.cli.main import main
from harness.cli.pipeline import Built
from harness.flash import release
from tests.harness.cli.flash_bench import CARD_BYTES, MIB, POWER_OFF, Bench, Capture, arguments
from tests.harness.cli.image_directory import add_card
from tests.harness.flash.lsblk_says import part, reader

UNMOUNT = "udisksctl unmount --no-user-interaction --block-device"


def mounted_card(bench: Bench) -> None:
    """As a desktop mounts what is put in."""
    bench.devices[1] = reader(
        part("sdb1", 32 * MIB, fstype="vfat", mountpoints=["/media/me/boot", "/mnt/boot"]),
        part("sdb2", 32 * MIB, fstype="ext4", mountpoints=["/media/me/rootfs"]),
        size=CARD_BYTES,
    )


def test_a_mounted_card_is_refused_and_left_mounted_unless_asked(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    mounted_card(bench)
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb")) == 2
    assert "sdb is in use: sdb1 is mounted at /media/me/boot" in capsys.readouterr().err
    assert bench.done == []
    assert bench.is_untouched


def test_partitions_are_unmounted_once_the_card_is_confirmed(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    data = add_card(built)
    mounted_card(bench)
    words = ["--device", "/dev/sdb", "--unmount"]
    assert main(arguments(built, *words, "--dry-run")) == 0
    bench.types("no\n")
    assert main(arguments(built, *words)) == 2
    assert bench.done == []
    bench.types("sdb\n")
    bench.failing = {f"{UNMOUNT} /dev/sdb1": "udisksctl is not installed"}
    assert main(arguments(built, *words)) == 0
    err = capsys.readouterr().err
    assert "sdb1 will be unmounted from /media/me/boot and /mnt/boot" in err
    assert bench.done == [
        f"{UNMOUNT} /dev/sdb1",
        "umount /media/me/boot",
        "umount /mnt/boot",
        f"{UNMOUNT} /dev/sdb2",
        "open",
        "close",
        f"{POWER_OFF} /dev/sdb",
    ]
    assert bench.file.read_bytes()[: len(data)] == data


def test_a_card_that_cannot_be_unmounted_is_not_written(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    mounted_card(bench)
    bench.types("sdb\n")
    bench.failing = {"udisksctl": "not authorized", "umount /mnt/boot": "target is busy."}
    assert main(arguments(built, "--device", "/dev/sdb", "--unmount")) == 2
    err = capsys.readouterr().err
    assert "sdb1 cannot be unmounted from /mnt/boot: target is busy." in err
    assert "nothing was written" in err
    assert "open" not in bench.done
    assert bench.is_untouched


def test_what_is_mounted_again_meanwhile_is_not_written(
    built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    mounted_card(bench)
    bench.types("sdb\n")
    again = bench.devices[1]
    bench.monkeypatch.setattr(release, "unmount", lambda _: None)
    assert main(arguments(built, "--device", "/dev/sdb", "--unmount")) == 2
    assert "sdb is in use: sdb1 is mounted" in capsys.readouterr().err
    assert bench.devices[1] is again
    assert bench.is_untouched


@pytest.mark.parametrize("point", ["/", "/boot/firmware", "/home/me", "[SWAP]"])
def test_unmount_never_touches_what_this_system_has_mounted(
    point: str, built: Built, bench: Bench, capsys: Capture
) -> None:
    add_card(built)
    bench.devices[1] = reader(part("sdb1", MIB, mountpoints=["/mnt", point]), size=CARD_BYTES)
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb", "--unmount")) == 2
    assert "refused: sdb" in capsys.readouterr().err
    assert bench.done == []
    assert bench.is_untouched


@pytest.mark.parametrize(
    ("failing", "commands", "ends"),
    [
        ({"udisksctl": "no"}, [f"{POWER_OFF} /dev/sdb", "eject /dev/sdb"], True),
        ({"udisksctl": "no", "eject": "eject is not installed"},
         [f"{POWER_OFF} /dev/sdb", "eject /dev/sdb"], False),
    ],
    ids=["eject", "neither"],
)  # fmt: skip
def test_a_card_that_is_not_ejected_is_written_all_the_same(
    failing: dict[str, str],
    commands: list[str],
    ends: bool,
    built: Built,
    bench: Bench,
    capsys: Capture,
) -> None:
    add_card(built)
    bench.types("sdb\n")
    bench.failing = failing
    assert main(arguments(built, "--device", "/dev/sdb")) == 0
    out, err = capsys.readouterr()
    assert bench.done == ["open", "close", *commands]
    assert ("ejected: it can be pulled out" in out) == ends
    assert ("eject it before you pull it out" in out) == (not ends)
    assert ("/dev/sdb was not ejected: eject is not installed" in err) == (not ends)


def test_no_eject_leaves_it_there(built: Built, bench: Bench, capsys: Capture) -> None:
    add_card(built)
    bench.types("sdb\n")
    assert main(arguments(built, "--device", "/dev/sdb", "--no-eject")) == 0
    assert bench.done == ["open", "close"]
    assert "eject it before you pull it out" in capsys.readouterr().out
