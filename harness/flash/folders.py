"""Folders of a running system: what a card is not, and whose disks are none."""

from collections.abc import Sequence

SYSTEM_FOLDERS = (
    *("/boot", "/efi", "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/var", "/opt"),
    *("/dev", "/proc", "/sys", "/nix", "/gnu"),
    *("/System", "/Library", "/private"),  # macOS; its /etc, /tmp and /var are in /private
)

# Below those, and yet a person's own: a TFTP server's folder, and where image-based systems have
# the real /home, /mnt, /opt and /srv.
FREE_FOLDERS = (
    *("/var/home", "/var/mnt", "/var/srv", "/var/tmp", "/var/lib/tftpboot"),
    *("/private/tmp", "/private/var/folders", "/private/tftpboot"),
)

# People write there, but a disk that is mounted there belongs to this machine.
HOME_FOLDERS = ("/home", "/root", "/srv", "/Users")


def is_of_the_system(folder: str) -> bool:
    """Nobody puts the files of a card there; folder: without links, as `Path.resolve` gives it."""
    return folder == "/" or (
        _is_below(folder, SYSTEM_FOLDERS) and not _is_below(folder, FREE_FOLDERS)
    )


def is_mounted_by_the_system(point: str) -> bool:
    """The disk that is mounted there is part of this machine."""
    return point == "/" or _is_below(point, (*SYSTEM_FOLDERS, *HOME_FOLDERS))


def _is_below(point: str, folders: Sequence[str]) -> bool:
    return any(point == folder or point.startswith(f"{folder}/") for folder in folders)
