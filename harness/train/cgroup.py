"""The memory that a container leaves us: control groups of version 2 and 1 (cgroups(7))."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limit:
    """Of one group: the most it may hold, and what it holds now that cannot be given back."""

    bytes: int
    used_bytes: int

    @property
    def available_bytes(self) -> int:
        """What is left of it."""
        return max(0, self.bytes - self.used_bytes)


def memory_limits(proc: Path = Path("/proc"), mount: Path = Path("/sys/fs/cgroup")) -> list[Limit]:
    """Of this process's group and every group around it; none where nothing is limited."""
    found = []
    for folder, limit, usage in _groups(proc / "self" / "cgroup", mount):
        try:
            # "max" in version 2; in version 1 a number that no machine has, which limits nothing.
            value = int((folder / limit).read_text())
            found.append(Limit(value, int((folder / usage).read_text()) - _cache(folder)))
        except (OSError, ValueError):
            continue
    return found


def _groups(path: Path, mount: Path) -> Iterator[tuple[Path, str, str]]:
    """Folders from the process's own group up to the mount, and what their files are called."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number == "0":
            root, names = mount, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root, names = mount / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        # A container may see itself as the root, or the path that it has outside: try all of it.
        own = Path(group.lstrip("/"))
        for part in (own, *own.parents):
            yield root / part, *names


def _cache(folder: Path) -> int:
    """Pages of files that nobody has used lately; they count as used until somebody needs them."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, value = line.split()
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
