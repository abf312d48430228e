"""GGUF -> image, one stage after the other, each only when its inputs changed."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness.image
from harness.board import Board, load_board
from harness.cli.default_model import default_model
from harness.cli.manifest import (
    Manifest,
    file_sha256,
    key_of,
    read_manifest,
    require_manifest,
    sources_sha256,
    write_json,
)
from harness.cli.model_facts import model_facts
from harness.cli.options import BuildOptions
from harness.cli.progress import bar, note
from harness.codegen import Headers, render_headers, write_headers
from harness.compile import Kernel, compile_kernel
from harness.errors import ImageError
from harness.gguf import Model, read_gguf
from harness.image import Blob, Image, make_image, pack_blob
from harness.plan import MemoryPlan, plan_memory
from toolchain import find_toolchain


@dataclass(frozen=True)
class Planned:
    """The stages that read and compute, and write nothing."""

    model: Model
    board: Board
    plan: MemoryPlan


@dataclass(frozen=True)
class Built:
    """An image on disk, and where it came from."""

    directory: Path
    model_path: Path
    board: Board
    image: Image
    elf: Path
    ram_bytes: int | None
    kv_type: str
    changed: tuple[str, ...]  # artefacts made this time


def plan_model(options: BuildOptions) -> Planned:
    """Read the model and plan its memory."""
    model = read_gguf(options.model or default_model(options.out))
    board = load_board(options.board)
    plan = plan_memory(
        model,
        board,
        n_ctx=options.n_ctx,
        kv_type="f32" if options.kv_type == "f32" else "f16",
        ram_size_bytes=options.ram_bytes,
    )
    return Planned(model, board, plan)


def build(options: BuildOptions) -> Built:
    """Make the image in <out>/<board>/<model>/, or find it there unchanged."""
    toolchain = find_toolchain(options.cc)
    planned = plan_model(options)
    model, plan = planned.model, planned.plan
    directory = options.out / planned.board.name / model.path.stem
    with _locked(directory):
        manifest = read_manifest(directory)
        with bar("hashing model", model.size_bytes, "B") as shown:
            gguf = file_sha256(model.path, manifest, shown.advance)
        write_json(directory / "model.json", model_facts(model))
        write_json(directory / "plan.json", plan.as_dict())
        headers = render_headers(model, planned.board, plan, gguf_sha256=gguf["sha256"])
        write_headers(headers, directory)
        kernel = compile_kernel(directory, toolchain, directory, plan)
        if kernel.warnings:
            note(kernel.warnings.rstrip())
        known = manifest.get("inputs", {})
        blob, blob_key, is_packed = _pack(planned, headers, gguf["sha256"], directory, known)
        image_key = key_of(blob_key, hashlib.sha256(kernel.elf.read_bytes()).hexdigest())
        image = _image(plan, kernel, blob, directory, is_current=known.get("image") == image_key)
        record: Manifest = {
            "board": planned.board.name,
            "build_id": f"{headers.build_id:016x}",
            "blob_appended": plan.blob_appended,
            "model": model.name,
            "model_path": str(model.path.resolve()),
            "n_ctx": plan.n_ctx,
            "kv_type": plan.kv_type,
            "ram_bytes": options.ram_bytes,
            "toolchain": str(toolchain),
            "inputs": {"gguf": gguf, "blob": blob_key, "image": image_key, "crc": blob.crc},
        }
        write_json(directory / "manifest.json", record)
    changed = {
        "kernel.elf": kernel.linked,
        "model.blob": is_packed,
        "kernel8.img": known.get("image") != image_key,
    }
    made = tuple(name for name, is_new in changed.items() if is_new)
    return _built(directory, record, image, planned.board, made)


def load_built(directory: Path) -> Built:
    """An image that `build` made earlier, as it is."""
    manifest = require_manifest(directory)
    kernel8 = directory / "kernel8.img"
    blob = None if manifest["blob_appended"] else directory / "model.blob"
    for file in (kernel8, blob):
        if file is not None and not file.is_file():
            raise ImageError(f"{file} is missing", hint="build the image again")
    image = Image(kernel8=kernel8, blob=blob, build_id=int(manifest["build_id"], 16))
    return _built(directory, manifest, image, load_board(manifest["board"]), ())


def built_from(options: BuildOptions) -> Built:
    """The image for `-m`: a directory as it is, a model built first."""
    if options.model is not None and options.model.is_dir():
        return load_built(options.model)
    return build(options)


def _built(
    directory: Path,
    manifest: Manifest,
    image: Image,
    board: Board,
    changed: tuple[str, ...],
) -> Built:
    return Built(
        directory=directory,
        model_path=Path(manifest["model_path"]),
        board=board,
        image=image,
        elf=directory / "kernel.elf",
        ram_bytes=manifest["ram_bytes"],
        kv_type=manifest["kv_type"],
        changed=changed,
    )


def _pack(
    planned: Planned, headers: Headers, gguf_sha256: str, directory: Path, known: Manifest
) -> tuple[Blob, str, bool]:
    """model.blob, its key, and whether it was packed now: only when the key is not the known."""
    plan = planned.plan
    packer = Path(harness.image.__file__).parent
    key = key_of(gguf_sha256, headers.build_id, plan.as_dict(), sources_sha256(packer))
    path = directory / "model.blob"
    is_there = path.is_file() and path.stat().st_size == plan.blob_size_bytes
    if is_there and known.get("blob") == key:
        return Blob(path, plan.blob_size_bytes, known["crc"], headers.build_id), key, False
    with bar("packing weights", plan.blob_size_bytes, "B") as shown:
        blob = pack_blob(planned.model, plan, headers.build_id, path, progress=shown.advance)
    return blob, key, True


def _image(
    plan: MemoryPlan, kernel: Kernel, blob: Blob, directory: Path, *, is_current: bool
) -> Image:
    kernel8 = directory / "kernel8.img"
    if is_current and kernel8.is_file():
        return Image(kernel8, None if plan.blob_appended else blob.path, blob.build_id)
    return make_image(kernel.elf, blob, plan, directory)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One build at a time in a directory; a second one waits."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
