"""The chainloader of a board, and with it, on a card, a model for the kernels that it will take."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from harness.board import Board, load_board
from harness.cli.lock import locked, wait_for_writer
from harness.cli.manifest import Manifest, write_json
from harness.cli.options import DEFAULT_BOARD, BuildOptions
from harness.cli.pipeline import build
from harness.codegen import render_loader, write_files
from harness.compile import compile_loader
from harness.errors import ImageError
from harness.image import Image
from toolchain import find_toolchain

FOLDER, RECORD = "loader", "loader.json"


@dataclass(frozen=True)
class BuiltLoader:
    """A loader on disk.

    image: the loader in the kernel's place. Its blob is what a card is to hold for the kernels that
    come, and its build id theirs; without a model the id is a hash of the loader.
    """

    directory: Path
    board: Board
    image: Image
    inputs: Manifest


def build_loader(options: BuildOptions) -> BuiltLoader:
    """<out>/<board>/loader/loader.img; with a model, its image too, in a directory of its own."""
    built = None if options.model is None else build(options)
    board = load_board(options.board or DEFAULT_BOARD)
    directory = options.out / board.name / FOLDER
    with locked(directory):
        write_files(render_loader(board), directory)
        image = compile_loader(directory, find_toolchain(options.cc), directory)
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        blob = built.image.blob if built is not None else None
        record = {
            "board": board.name,
            "build_id": digest[:16] if built is None else f"{built.image.build_id:016x}",
            "loader_sha256": digest,
            "blob": None if blob is None else str(blob.resolve()),
            "blob_bytes": None if blob is None else blob.stat().st_size,
        }
        write_json(directory / RECORD, record)
    return _loader_of(directory, record)


def load_loader(directory: Path) -> BuiltLoader | None:
    """The loader that `build --loader` made in this directory; None: it is no such directory."""
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError:
        record = {}
    wait_for_writer(directory)
    try:
        loader = _loader_of(directory, record)
        whole = hashlib.sha256(loader.image.kernel8.read_bytes()).hexdigest()
        if whole != record["loader_sha256"]:
            raise ValueError(f"{loader.image.kernel8.name} is not the one that it names")
        if loader.image.blob is not None:
            size_bytes = loader.image.blob.stat().st_size
            if size_bytes != record["blob_bytes"]:
                raise ValueError(f"{loader.image.blob} has {size_bytes:,} bytes")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ImageError(
            f"{directory / RECORD} does not describe what is there: {exc}",
            hint="build the loader again: python -m harness build --loader --board BOARD",
        ) from exc
    return loader


def _loader_of(directory: Path, record: Manifest) -> BuiltLoader:
    blob = None if record["blob"] is None else Path(record["blob"])
    image = Image(directory / "loader.img", blob, int(record["build_id"], 16))
    return BuiltLoader(directory, load_board(record["board"]), image, dict(record))
