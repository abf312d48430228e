"""Compiles sources to objects, one per core at a time, and only those whose inputs changed."""

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.compile import store
from harness.compile.sources import KERNEL_DIR, included_files
from harness.cores import cores
from harness.errors import CompileError, ToolchainError

MESSAGE_LINES = 12  # of a compiler's stderr: the first errors matter, the rest follow from them


@dataclass(frozen=True)
class _Compiled:
    file: Path
    key: str
    fresh: bool
    warnings: str


@dataclass(frozen=True)
class Objects:
    """Object files in source order, and what compiling them took."""

    files: tuple[Path, ...]
    keys: tuple[str, ...]  # hash of everything that each was made from
    compiled: int
    warnings: str


def compile_objects(
    sources: Sequence[str],
    command: Callable[[str], list[str]],
    *,
    identity: str,
    include_dirs: tuple[Path, ...],
    out_dir: Path,
) -> Objects:
    """Compile each source (a path below kernel/) with `command(source)` into `out_dir`.

    An object is kept when the hash of compiler identity, command, source and all headers of ours
    that it includes is the one it was made with, or taken from another build that had the same
    hash. Compilers run in kernel/, so that __FILE__ is `nn/rope.c` wherever the checkout lies.

    include_dirs: folders of generated headers, which `command` names with -I. Only what the headers
    say counts, not where they lie.
    """

    def one(source: str) -> _Compiled:
        return _compile_one(source, command(source), identity, include_dirs, out_dir)

    with ThreadPoolExecutor(cores()) as pool:
        results = list(pool.map(one, sources))
    if any(result.fresh for result in results):
        store.drop_old()
    return Objects(
        files=tuple(result.file for result in results),
        keys=tuple(result.key for result in results),
        compiled=sum(result.fresh for result in results),
        warnings="".join(result.warnings for result in results),
    )


def _compile_one(
    source: str, command: list[str], identity: str, include_dirs: tuple[Path, ...], out_dir: Path
) -> _Compiled:
    obj = out_dir / f"{source}.o"
    key_file = out_dir / f"{source}.key"
    key = _key(source, [identity, *command], include_dirs)
    if obj.is_file() and key_file.is_file() and key_file.read_text() == key:
        return _Compiled(obj, key, False, "")
    obj.parent.mkdir(parents=True, exist_ok=True)
    key_file.unlink(missing_ok=True)
    fresh, message = False, ""
    if not store.fetch(key, obj):
        full = [*command, "-c", source, "-o", str(obj)]
        fresh, message = True, run_tool(full, f"kernel/{source} does not compile")
    if not message:  # a file with warnings is compiled again next time, to be seen again
        if fresh:
            store.keep(key, obj)
        key_file.write_text(key)
    return _Compiled(obj, key, fresh, message)


def _key(source: str, command: list[str], include_dirs: tuple[Path, ...]) -> str:
    words = [word for word in command if word not in {f"-I{folder}" for folder in include_dirs}]
    digest = hashlib.sha256("\0".join(words).encode())
    for file in included_files(KERNEL_DIR / source, (*include_dirs, KERNEL_DIR)):
        content = file.read_bytes()
        name = next((file.relative_to(f) for f in include_dirs if file.is_relative_to(f)), file)
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def run_tool(command: list[str], failure: str) -> str:
    """Run a compiler or linker in kernel/; its stderr, or CompileError with the first lines."""
    try:
        done = subprocess.run(command, cwd=KERNEL_DIR, capture_output=True, text=True)
    except OSError as exc:
        raise ToolchainError(f"{command[0]} does not run: {exc}") from exc
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        shown = "\n".join(f"  {line}" for line in lines[:MESSAGE_LINES])
        more = f"\n  ... {len(lines) - MESSAGE_LINES} more lines" * (len(lines) > MESSAGE_LINES)
        raise CompileError(f"{failure} (exit {done.returncode})\n{shown}{more}")
    return done.stderr
