"""Files onto a mounted card: each whole or not at all, and nothing of the user's is lost."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from harness.errors import CardFailedError, CardMismatchError, FlashError
from harness.flash.folders import is_of_the_system
from harness.image.card import CardFile

RECORD = "bareword.json"  # which files of a card are ours, by SHA-256
UNFINISHED = "bareword.new"
CHUNK = 1 << 20
TRIES = 1000  # names for what is kept

Action = Literal["new", "same", "replaced", "kept"]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Step:
    """What happens to one file; keep_as: the new name of a file that was there and is not ours."""

    file: CardFile
    sha256: str
    action: Action
    old_bytes: int = 0
    keep_as: str = ""

    def sentence(self) -> str:
        """For a person to read before or after it is done."""
        name, size = self.file.name, f"{self.file.size_bytes:,} bytes"
        match self.action:
            case "new":
                return f"{name}: new, {size}"
            case "same":
                return f"{name}: unchanged"
            case "replaced":
                return f"{name}: replaces the one of an earlier build, {size}"
            case "kept":
                return f"{name}: new, {size}; what was there is kept as {self.keep_as}"


def require_folder(directory: Path) -> None:
    """FlashError when files must not or cannot go there."""
    if not directory.is_dir():
        raise FlashError(
            f"{directory} is not a folder",
            hint="the place where the card's first partition is mounted, such as /media/you/boot",
        )
    # A mistake, or the card that this very machine started from.
    if is_of_the_system(str(directory.resolve())):
        raise FlashError(
            f"{directory} is part of this system, not a card for another board",
            hint="put the card into a reader and name where it is mounted",
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        raise FlashError(
            f"{directory} may not be written to by this user",
            hint="is the card locked, or mounted for another user?",
        )


def files_in(directory: Path) -> frozenset[str]:
    """Names of the files that lie in the folder itself, in lower case: FAT knows no other."""
    return frozenset(path.name.lower() for path in directory.iterdir() if path.is_file())


def plan_files(files: Sequence[CardFile], directory: Path) -> tuple[Step, ...]:
    """What to do with each file; nothing is written. FlashError when there is no room for it."""
    ours = _read_record(directory)
    steps = tuple(_step(file, directory, ours) for file in files)
    # One after the other, and a new file is whole before its predecessor goes.
    free = shutil.disk_usage(directory).free
    for step in steps:
        if step.action == "same":
            continue
        if step.file.size_bytes > free:
            raise FlashError(
                f"{step.file.name} has {step.file.size_bytes:,} bytes, {directory} has "
                f"{max(free, 0):,} free by then",
                hint="make room on the card, or write it as a whole: flash --device",
            )
        free -= step.file.size_bytes - (step.old_bytes if step.action == "replaced" else 0)
    return steps


def copy_files(
    steps: Sequence[Step],
    directory: Path,
    *,
    verify: bool = True,
    advance: Advance = lambda _: None,
) -> None:
    """Do what was planned; advance gets the bytes of the files as they are written."""
    ours = _read_record(directory)
    wanted = {step.file.name: step.sha256 for step in steps}
    both = {name: sorted({*ours.get(name, ()), sha256}) for name, sha256 in wanted.items()}
    unfinished = directory / UNFINISHED
    try:
        _write_record(directory, {**ours, **both})  # first: it may be interrupted at any time
        for step in steps:
            if step.action != "same":
                _put(step, directory, unfinished, verify=verify, advance=advance)
        _write_record(directory, {**ours, **{name: [sha256] for name, sha256 in wanted.items()}})
    except OSError as exc:
        raise CardFailedError(
            f"writing to {directory} failed: {exc.strerror or exc}",
            hint="the files that are there are whole; is the card full, locked or broken?",
        ) from exc
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _step(file: CardFile, directory: Path, ours: Mapping[str, Sequence[str]]) -> Step:
    path = directory / file.name
    sha256 = _sha256(_source_chunks(file))
    if not path.exists() and not path.is_symlink():
        return Step(file, sha256, "new")
    if not path.is_file():
        raise FlashError(f"{path} is no file", hint="move it out of the way")
    with path.open("rb") as there:
        old = _sha256(_chunks(there))
    if old == sha256:
        return Step(file, sha256, "same")
    old_bytes = path.stat().st_size
    if old in ours.get(file.name, ()):
        return Step(file, sha256, "replaced", old_bytes)
    return Step(file, sha256, "kept", old_bytes, _free_name(directory, file.name))


def _free_name(directory: Path, name: str) -> str:
    for i in range(1, TRIES):
        candidate = f"{name}.old" if i == 1 else f"{name}.old{i}"
        if not (directory / candidate).exists():
            return candidate
    raise FlashError(
        f"{directory} has {TRIES} kept versions of {name}", hint="delete some that nobody needs"
    )


def _put(step: Step, directory: Path, unfinished: Path, *, verify: bool, advance: Advance) -> None:
    path = directory / step.file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("w+b") as file:
        for chunk in _source_chunks(step.file):
            file.write(chunk)
            advance(len(chunk))
        file.flush()
        os.fsync(file.fileno())
        if verify:
            _verify(file, step, path)
    if step.keep_as:
        path.rename(directory / step.keep_as)
    unfinished.replace(path)
    _sync_folder(path.parent)


def _verify(file: IO[bytes], step: Step, path: Path) -> None:
    with suppress(OSError, AttributeError):  # ask the card, not this machine's memory
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    file.seek(0)
    if _sha256(_chunks(file)) != step.sha256:
        raise CardMismatchError(
            f"{path} reads back otherwise than it was written",
            hint="the card or its reader is broken; the file that was there before is untouched",
        )


def _sync_folder(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # not every file system can
            os.fsync(fd)
    finally:
        os.close(fd)


def _read_record(directory: Path) -> dict[str, list[str]]:
    """Name -> SHA-256 of the versions that we wrote; nothing when the record is none."""
    try:
        table = json.loads((directory / RECORD).read_text(encoding="utf-8"))["files"]
        return {str(name): [str(sha256) for sha256 in known] for name, known in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_record(directory: Path, files: Mapping[str, Sequence[str]]) -> None:
    table = {"what": "SHA-256 of the files that bareword wrote", "files": dict(files)}
    path = directory / UNFINISHED
    with path.open("w", encoding="utf-8") as file:
        json.dump(table, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    path.replace(directory / RECORD)


def _source_chunks(file: CardFile) -> Iterator[bytes]:
    if isinstance(file.source, bytes):
        yield file.source
        return
    with file.source.open("rb") as source:
        yield from _chunks(source)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _sha256(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
