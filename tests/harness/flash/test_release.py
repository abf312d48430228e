"""harness/flash/release.py: which commands let a card go, on Linux and on macOS."""

import sys
from dataclasses import replace

import pytest

from harness.errors import FlashError
from harness.flash import release
from harness.flash.disk import Disk, Volume

CARD = Disk(
    *("disk4", "/dev/rdisk4", "disk", 32 * 10**9, 512, "usb", True, False, "", "", ""),
    Volume("disk4", "disk", children=(Volume("disk4s1", "part", mounted=("/Volumes/boot",)),)),
)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    done: list[list[str]] = []

    def run(command: list[str]) -> str:
        done.append(command)
        return "Volume boot failed to unmount" if "unmountDisk" in command and len(done) > 2 else ""

    monkeypatch.setattr(release, "run", run)
    return done


def test_macos_has_diskutil_for_both(commands: list[list[str]]) -> None:
    release.unmount(CARD)
    assert release.eject(CARD) == ""
    assert commands == [["diskutil", "unmountDisk", "disk4"], ["diskutil", "eject", "disk4"]]
    with pytest.raises(FlashError, match="disk4 cannot be unmounted: Volume boot failed"):
        release.unmount(CARD)


def test_a_disk_that_nothing_is_mounted_from_is_left_alone(commands: list[list[str]]) -> None:
    release.unmount(replace(CARD, name="sdb", path="/dev/sdb", volume=CARD.volume.unmounted()))
    assert commands == []


def test_a_command_says_why_it_failed() -> None:
    assert release.run([sys.executable, "-c", "pass"]) == ""
    assert release.run(["no-such-program"]) == "no-such-program is not installed"
    assert release.run([sys.executable, "-c", "raise SystemExit('busy')"]) == "busy"
    assert release.run([sys.executable, "-c", "print('told'); exit(1)"]) == "told"
    assert release.run([sys.executable, "-c", "exit(7)"]).endswith(": exit status 7")
