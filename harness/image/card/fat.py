"""A FAT32 file system inside a card image, made by mtools, the same bytes each time."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import ImageError
from harness.image.card.contents import CardFile
from harness.image.card.layout import CLUSTER_SECTORS
from harness.image.card.mbr import Partition

PROGRAMS = ("mformat", "mmd", "mcopy")
PACKAGE = "mtools"
LABEL = "BAREWORD"
CHUNK = 1 << 20

# Of any large disk: nothing looks at them, but mformat would take them from the image's size.
HEADS, SECTORS_PER_TRACK = 255, 63

Advance = Callable[[int], None]


def require_mtools() -> None:
    """ImageError that names the package, when it is not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ImageError(
            f"a card image needs {', '.join(missing)}, which is not on PATH",
            hint=f"apt install {PACKAGE}; or --no-card: kernel8.img and model.blob are made "
            "without it, and `flash --files-only` copies them onto a card that boots already",
        )


class Fat:
    """A partition of an image file; every time stamp in it is epoch (seconds since 1970, UTC)."""

    def __init__(self, image: Path, partition: Partition, *, serial: int, epoch: int) -> None:
        """Format the partition; serial is the volume's 32-bit number."""
        # By its name alone: mtools takes `@@` for the beginning of an offset.
        self._directory = image.parent
        self._drive = f"{image.name}@@{partition.offset}"
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",  # no mtoolsrc of the user
            "MTOOLSRC": os.devnull,
            "LC_ALL": "C",
            "TZ": "UTC",  # FAT stores local time
            "SOURCE_DATE_EPOCH": str(epoch),
        }
        self._run(
            *("mformat", "-i", self._drive, "-F", "-N", f"{serial:08x}", "-v", LABEL),
            *("-T", str(partition.n_sectors), "-H", str(partition.first_lba)),
            *("-h", str(HEADS), "-s", str(SECTORS_PER_TRACK), "-c", str(CLUSTER_SECTORS), "::"),
        )

    def make_folders(self, files: Sequence[CardFile]) -> None:
        """The folders that these files need."""
        folders = {name for file in files for name in _parents(file.name)}
        for folder in sorted(folders):
            self._run("mmd", "-i", self._drive, f"::{folder}")

    def add(self, file: CardFile, advance: Advance) -> str:
        """Copy a file and give its SHA-256 (hexadecimal); advance gets bytes as they go."""
        digest = hashlib.sha256()
        command = self._command("mcopy", "-i", self._drive, "-", f"::{file.name}")
        # A stream, not a path: its time stamp is the epoch, and a hash needs no second reading.
        with subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # its own words, below, say why
                for chunk in _chunks(file):
                    process.stdin.write(chunk)
                    digest.update(chunk)
                    advance(len(chunk))
            with suppress(BrokenPipeError):
                process.stdin.close()
            said = process.stdout.read()
        if process.returncode or said:
            raise self._failed(command, said)
        return digest.hexdigest()

    def _run(self, *words: str) -> None:
        command = self._command(*words)
        done = subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode or done.stdout:
            raise self._failed(command, done.stdout)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [shutil.which(program) or program, *arguments]

    def _failed(self, command: Sequence[str], said: bytes) -> ImageError:
        words = said.decode(errors="replace").strip() or "it says nothing"
        return ImageError(
            f"{Path(command[0]).name} could not fill the card image: {words}",
            hint="is the disk full? " + " ".join(command),
        )


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _chunks(file: CardFile) -> Iterator[bytes]:
    if isinstance(file.source, bytes):
        yield file.source
        return
    with file.source.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
