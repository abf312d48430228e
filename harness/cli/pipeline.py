"""GGUF -> image, one stage after the other, each only when its inputs changed."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import harness.compile
import harness.gguf
import harness.image
from harness.board import Board, load_board
from harness.cli.default_model import default_model
from harness.cli.lock import locked, wait_for_writer
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
from harness.cli.options import DEFAULT_BOARD, DEFAULT_KV, BuildOptions
from harness.cli.progress import bar, note
from harness.codegen import Headers, render_headers, write_headers
from harness.compile import Kernel, compile_kernel
from harness.errors import HarnessError, ImageError, PlanError
from harness.gguf import Model, read_gguf
from harness.image import Blob, Image, make_image, pack_blob
from harness.plan import MemoryPlan, over_budget, plan_memory
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
    cpu: str | None
    ram_bytes: int | None
    kv_type: str
    architecture: str
    vectors: Manifest | None  # n_embd, pooling and has_dense of a model that makes vectors
    chat: bool  # the image knows the model's chat template
    changed: tuple[str, ...]  # artefacts made this time


def model_and_board(options: BuildOptions) -> tuple[Model, Board]:
    """What is to run, and where; the board with the RAM that was asked for."""
    model = read_gguf(options.model or default_model(options.out))
    if model.makes_vectors and options.kv_type is not None:
        raise PlanError(
            f"--kv {options.kv_type}: {model.architecture} keeps no keys and values",
            hint="leave --kv out",
        )
    board = load_board(options.board or DEFAULT_BOARD)
    return model, board if options.ram_bytes is None else board.with_ram(options.ram_bytes)


def plan_model(options: BuildOptions) -> Planned:
    """Read the model and plan its memory."""
    model, board = model_and_board(options)
    plan = plan_memory(model, board, n_ctx=options.n_ctx, kv_type=options.kv_type or DEFAULT_KV)
    return Planned(model, board, plan)


def build(options: BuildOptions) -> Built:
    """Make the image in <out>/<board>/<model>/, or find it there unchanged."""
    toolchain = find_toolchain(options.cc)
    planned = plan_model(options)
    model, plan = planned.model, planned.plan
    if over_budget(plan):
        note(over_budget(plan))
    with _own_directory(options.out / planned.board.name, model.path) as directory:
        manifest = read_manifest(directory)
        with bar("hashing model", model.size_bytes, "B") as shown:
            gguf = file_sha256(model.path, manifest, shown.advance)
        headers = render_headers(model, planned.board, plan, gguf_sha256=gguf["sha256"])
        known = manifest.get("inputs", {})
        blob_key = _blob_key(plan, headers, gguf["sha256"])
        _set_aside(directory, model.path, gguf, known if known.get("blob") == blob_key else {})
        for line in headers.chat.notes:
            note(f"{model.path.name}: {line}")
        write_json(directory / "model.json", model_facts(model))
        write_json(directory / "plan.json", plan.as_dict())
        write_headers(headers, directory)
        # First: weights that are no numbers are refused before anything is compiled.
        blob, is_packed = _pack(planned, headers, directory, known, blob_key)
        kernel = compile_kernel(directory, toolchain, directory, plan)
        if kernel.warnings:
            note(kernel.warnings.rstrip())
        elf_sha256 = hashlib.sha256(kernel.elf.read_bytes()).hexdigest()
        image_key = key_of(blob_key, elf_sha256, sources_sha256(_folder(harness.compile)))
        is_current = known.get("image") == image_key and _is_whole(
            directory / "kernel8.img", manifest.get("kernel8_bytes")
        )
        image = _image(plan, kernel, blob, directory, is_current=is_current)
        record: Manifest = {
            "complete": True,
            "board": planned.board.name,
            "build_id": f"{headers.build_id:016x}",
            "blob_appended": plan.blob_appended,
            "model": model.name,
            "architecture": model.architecture,
            "vectors": _vectors(model),
            "model_path": gguf["path"],
            "n_ctx": plan.n_ctx,
            "kv_type": plan.kv_type,
            "chat": headers.chat.form is not None,
            "cpu": options.cpu,
            "ram_bytes": options.ram_bytes,
            "ram_needed_bytes": plan.ram_needed_bytes,
            "kernel8_bytes": image.kernel8.stat().st_size,
            "blob_bytes": blob.size_bytes,
            "toolchain": str(toolchain),
            "inputs": {"gguf": gguf, "blob": blob_key, "image": image_key, "crc": blob.crc},
        }
        write_json(directory / "manifest.json", record)
    changed = {
        "kernel.elf": kernel.linked,
        "model.blob": is_packed,
        "kernel8.img": not is_current,
    }
    made = tuple(name for name, is_new in changed.items() if is_new)
    return _built(directory, record, image, planned.board, made)


def load_built(directory: Path) -> Built:
    """An image that `build` made earlier, as it is."""
    wait_for_writer(directory)
    manifest = require_manifest(directory)
    kernel8 = directory / "kernel8.img"
    blob = None if manifest["blob_appended"] else directory / "model.blob"
    for file, key in ((kernel8, "kernel8_bytes"), (blob, "blob_bytes")):
        if file is not None and not _is_whole(file, manifest[key]):
            found = f"has {file.stat().st_size} bytes" if file.is_file() else "is missing"
            raise ImageError(
                f"{file} {found}, wanted {manifest[key]} bytes", hint="build the image again"
            )
    image = Image(kernel8=kernel8, blob=blob, build_id=int(manifest["build_id"], 16))
    return _built(directory, manifest, image, load_board(manifest["board"]), ())


def _is_whole(file: Path, size_bytes: int | None) -> bool:
    return file.is_file() and file.stat().st_size == size_bytes


def built_from(options: BuildOptions, makes: str = "") -> Built:
    """The image for `-m`: a directory as it is, a model built first.

    makes: "text" or "vectors"; HarnessError, before anything is built, when it is the other kind.
    """
    if options.model is not None and options.model.is_dir():
        built = load_built(options.model)
        _refuse_other_kind(built.architecture, built.vectors is not None, makes)
        _refuse_other_wishes(require_manifest(options.model), options)
        return built
    if makes:
        model = read_gguf(options.model or default_model(options.out))
        _refuse_other_kind(model.architecture, model.makes_vectors, makes)
    return build(options)


def _refuse_other_kind(architecture: str, vectors: bool, makes: str) -> None:
    if makes == "text" and vectors:
        raise HarnessError(
            f"this is an embedding model ({architecture}): it makes vectors of texts, "
            "it does not go on with them",
            hint="python -m harness embed -m MODEL.gguf -p TEXT; `verify` checks it too",
        )
    if makes == "vectors" and not vectors:
        raise HarnessError(
            f"this model ({architecture}) goes on with texts: its tokens see only what is before "
            "them, and it makes no vectors",
            hint="use an embedding model: gemma-embedding, bert (MiniLM, bge and their kin) or "
            "Qwen3-Embedding, whose file names a pooling_type",
        )


def _refuse_other_wishes(manifest: Manifest, options: BuildOptions) -> None:
    """ImageError for a flag that asks for another image, or for less RAM than it needs."""
    for flag, key, wanted in (
        ("--board", "board", options.board),
        ("--ctx", "n_ctx", options.n_ctx),
        ("--kv", "kv_type", options.kv_type),
    ):
        if wanted is not None and wanted != manifest[key]:
            raise ImageError(
                f"{options.model} was built with {flag} {manifest[key]}, wanted {wanted}",
                hint=f"build again: python -m harness build -m MODEL.gguf {flag} {wanted}",
            )
    needed = manifest["ram_needed_bytes"]
    if options.ram_bytes is not None and options.ram_bytes < needed:
        raise ImageError(
            f"{options.model} needs {needed} bytes of RAM, wanted are {options.ram_bytes}",
            hint=f"--ram {-(-needed >> 20)}M, or build with a smaller --ctx",
        )


def model_of(built: Built) -> Model:
    """The model that an image was made from; ImageError when that file is not what it was."""
    manifest = require_manifest(built.directory)
    wanted = manifest["inputs"]["gguf"]
    if not built.model_path.is_file():
        raise ImageError(
            f"{built.directory} was made from {built.model_path}, which is not there any more",
            hint="put the file back, or name the model with -m MODEL.gguf",
        )
    size_bytes = built.model_path.stat().st_size
    with bar("hashing model", size_bytes, "B") as shown:
        found = file_sha256(built.model_path, manifest, shown.advance)
    if found["sha256"] != wanted["sha256"]:
        raise ImageError(
            f"{built.model_path} has {size_bytes} bytes and SHA-256 {found['sha256'][:16]}..., "
            f"{built.directory} was made from {wanted['size_bytes']} bytes with SHA-256 "
            f"{wanted['sha256'][:16]}...",
            hint=f"build again: python -m harness build -m {built.model_path}",
        )
    return read_gguf(built.model_path)


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
        cpu=manifest["cpu"],
        ram_bytes=manifest["ram_bytes"],
        kv_type=manifest["kv_type"],
        architecture=manifest.get("architecture", "llama"),  # images made before had no other kind
        vectors=manifest.get("vectors"),
        chat=manifest["chat"],
        changed=changed,
    )


def _vectors(model: Model) -> Manifest | None:
    if not model.makes_vectors:
        return None
    facts = {"pooling": model.hyper.pooling, "has_dense": model.has_dense}
    return {"n_embd": model.hyper.n_embd, **facts}


@contextmanager
def _own_directory(board_dir: Path, model_path: Path) -> Iterator[Path]:
    """<stem>, locked; <stem>-<hash of the path> when another folder's model has <stem> already.

    Compilers and linkers give some characters of a path a meaning: they become `_`.
    """
    path = str(model_path.resolve())
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", model_path.stem).strip(".") or "model"
    directory = board_dir / stem
    with locked(directory):
        if read_manifest(directory).get("model_path", path) == path:
            yield directory
            return
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    directory = board_dir / f"{stem}-{digest[:8]}"
    with locked(directory):
        yield directory


def _set_aside(directory: Path, model_path: Path, gguf: Manifest, known: Manifest) -> None:
    """A manifest that is no longer believed, except for the hash of the model and a valid blob."""
    inputs = {"gguf": gguf} | {name: known[name] for name in ("blob", "crc") if name in known}
    record = {"complete": False, "model_path": str(model_path.resolve()), "inputs": inputs}
    write_json(directory / "manifest.json", record)


def _blob_key(plan: MemoryPlan, headers: Headers, gguf_sha256: str) -> str:
    """Everything that shapes model.blob: model, plan, and the sources that read and pack."""
    sources = sources_sha256(_folder(harness.gguf), _folder(harness.image))
    return key_of(gguf_sha256, headers.build_id, plan.as_dict(), sources)


def _folder(package: ModuleType) -> Path:
    return Path(package.__path__[0])


def _pack(
    planned: Planned, headers: Headers, directory: Path, known: Manifest, key: str
) -> tuple[Blob, bool]:
    """model.blob, and whether it was packed now: only when the key is not the known one."""
    plan = planned.plan
    path = directory / "model.blob"
    is_there = path.is_file() and path.stat().st_size == plan.blob_size_bytes
    if is_there and known.get("blob") == key:
        return Blob(path, plan.blob_size_bytes, known["crc"], headers.build_id), False
    with bar("packing weights", plan.blob_size_bytes, "B") as shown:
        blob = pack_blob(planned.model, plan, headers.build_id, path, progress=shown.advance)
    return blob, True


def _image(
    plan: MemoryPlan, kernel: Kernel, blob: Blob, directory: Path, *, is_current: bool
) -> Image:
    kernel8 = directory / "kernel8.img"
    if is_current:
        return Image(kernel8, None if plan.blob_appended else blob.path, blob.build_id)
    return make_image(kernel.elf, blob, plan, directory)
