"""manifest.json: what an image was made from, so that only what changed is made again.

While a build replaces what the manifest describes, it says "complete": false and names only the
inputs whose artefacts are still right. A build that does not come to its end leaves it so.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.cli.progress import note
from harness.errors import ImageError
from harness.image.files import atomic_file

CHUNK = 4 << 20

# What a complete manifest holds besides its inputs.
WRITTEN = (
    *("board", "build_id", "blob_appended", "model_path", "n_ctx", "kv_type", "chat", "cpu"),
    *("ram_bytes", "ram_needed_bytes", "kernel8_bytes", "blob_bytes"),
)

Manifest = dict[str, Any]


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an image directory, complete or not; empty when there is none."""
    try:
        manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and "inputs" in manifest else {}


def write_json(path: Path, content: object) -> None:
    """Pretty and deterministic; a reader never sees half, also when two write at once."""
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def keep_json(path: Path, content: object) -> None:
    """As write_json, for what has been shown already: where only reading is allowed, a note."""
    try:
        write_json(path, content)
    except ImageError as problem:
        note(f"{path.name} is not kept: {problem}")


def file_sha256(
    path: Path, manifest: Manifest, advance: Callable[[int], None] = lambda _: None
) -> Manifest:
    """Path, size, time and hash of a file; the known hash while size and time are the same."""
    stat = path.stat()
    known = manifest.get("inputs", {}).get("gguf", {})
    facts = {
        "path": str(path.resolve()),
        "size_bytes": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
    }
    if all(known.get(key) == value for key, value in facts.items()) and known.get("sha256"):
        return {**facts, "sha256": known["sha256"]}
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return {**facts, "sha256": digest.hexdigest()}


def sources_sha256(*folders: Path) -> str:
    """One hash over the Python sources of the stages that write a file."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """One hash for several inputs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def require_manifest(directory: Path) -> Manifest:
    """The manifest of a directory that the user says is an image."""
    manifest = read_manifest(directory)
    missing = [key for key in WRITTEN if key not in manifest]
    if manifest.get("complete") and missing:
        raise ImageError(
            f"{directory} was built by another version of this program: its manifest.json has no "
            f"{missing[0]}",
            hint="build the image again",
        )
    if not manifest.get("complete"):
        raise ImageError(
            f"{directory} is not an image directory: it has no manifest.json of a complete build",
            hint=f"python -m harness build -m MODEL.gguf makes one, in {Path('build')}/BOARD/MODEL",
        )
    return manifest
