"""A card let go: its partitions before it is written, the card itself afterwards."""

import subprocess
from collections.abc import Iterator

from harness.errors import FlashError
from harness.flash.disk import Disk, Volume

TIMEOUT_S = 60  # what a desktop has not yet written to the card goes there first
HINT = "close what is open there, and unmount it by hand; nothing was written"


def unmount(disk: Disk) -> None:
    """Unmount all that is mounted from the disk; FlashError with the reason where that fails.

    Call it only for a disk that may be overwritten, and that a person has confirmed.
    """
    if disk.is_macos:
        failed = run(["diskutil", "unmountDisk", disk.name])
        if failed:
            raise FlashError(f"{disk.name} cannot be unmounted: {failed}", hint=HINT)
        return
    for volume in mounted(disk):
        # udisks lets whoever sits at the machine unmount; umount is root's.
        by_udisks = ["udisksctl", "unmount", "--no-user-interaction", "--block-device"]
        if not run([*by_udisks, f"/dev/{volume.name}"]):
            continue
        for point in volume.mounted:
            failed = run(["umount", point])
            if failed:
                raise FlashError(
                    f"{volume.name} cannot be unmounted from {point}: {failed}", hint=HINT
                )


def mounted(disk: Disk) -> Iterator[Volume]:
    """What unmount() would unmount."""
    return (volume for volume in disk.volume.walk() if volume.mounted)


def eject(disk: Disk) -> str:
    """Make the card safe to pull out, by whatever this machine has; why not, or "" when it is."""
    if disk.is_macos:
        return run(["diskutil", "eject", disk.name])
    failed = run(["udisksctl", "power-off", "--no-user-interaction", "--block-device", disk.path])
    return failed and run(["eject", disk.path])


def run(command: list[str]) -> str:
    """Why the command failed, "" when it did not."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    if not done.returncode:
        return ""
    return (done.stderr or done.stdout).strip() or f"{command[0]}: exit status {done.returncode}"
