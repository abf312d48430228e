"""Render the generated files and give the build its id."""

import functools
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2

from harness.board import Board, known_boards
from harness.codegen.chat_template import Chat, ChatForm, chat_of
from harness.codegen.literals import (
    CHAT_TOKEN,
    c_float,
    c_hex,
    c_id,
    c_line,
    c_piece,
    c_string,
    c_words,
    printable,
)
from harness.errors import CodegenError
from harness.gguf import GGMLType, Model
from harness.link.load_messages import c_load_constants
from harness.link.messages import c_constants
from harness.plan import MemoryPlan
from harness.plan.blob import OPTIONAL_TENSORS, block_tensors
from harness.plan.buffers import LINK_SLOT_SIZE, LINK_WINDOW
from harness.plan.memory import COMMON_TYPES

LOADER_BANNER = "Bareword loader"  # begins as the kernel's: a session sees that the board started
FORMAT_VERSION = 3  # of model.blob; part of the build id

UART_KINDS = {"pl011": "PL011", "8250": "8250", "mini": "BCM2835_MINI"}  # of kernel/dev/uart.h

TEMPLATES_DIR = Path(__file__).parent / "templates"
LINKER_SCRIPT_DIR = Path(__file__).resolve().parent.parent.parent / "toolchain"
TEMPLATES = {
    "gen/model.h": "model.h.j2",
    "gen/layout.h": "layout.h.j2",
    "gen/board.h": "board.h.j2",
    "gen/link.h": "link.h.j2",
    "gen/kernel.ld": "kernel.ld.j2",
}


@dataclass(frozen=True)
class Headers:
    """Generated files by their path below the build folder, and the id that they carry."""

    files: Mapping[str, str]
    build_id: int
    chat: Chat  # what became of the model's chat template


def render_headers(
    model: Model, board: Board, plan: MemoryPlan, *, gguf_sha256: str | None = None
) -> Headers:
    """Render all generated files; the same model, board and plan give the same bytes.

    The build id is a hash of the GGUF file and of the files rendered without it: kernel and blob
    that share it belong together. gguf_sha256 (hexadecimal) spares reading the file when known.
    An image runs wherever it is loaded: boards on which it is laid out alike have the same id, and
    the same image byte for byte.
    """
    chat = chat_of(model)
    anywhere = moved(plan, board.text_offset - plan.load_address)
    without_id = _render(model, anywhere, chat, build_id=0)
    digest = hashlib.sha256((gguf_sha256 or _file_sha256(model.path)).encode())
    digest.update(FORMAT_VERSION.to_bytes(4, "little"))
    for name, text in sorted(without_id.items()):
        digest.update(f"{name}\0{text}\0".encode())
    build_id = int.from_bytes(digest.digest()[:8], "little")
    return Headers(_render(model, plan, chat, build_id), build_id, chat)


def render_loader(board: Board) -> dict[str, str]:
    """The generated files of the chainloader, which knows its board and no model."""
    environment = _environment(TEMPLATES_DIR)
    context = {
        "board": board,
        "uart_kinds": UART_KINDS,
        "banner": f"{LOADER_BANNER}: {board.description}",
        "link_constants": {**c_constants(), **c_load_constants()},
    }
    return {
        f"gen/{name}.h": environment.get_template(f"{name}.h.j2").render(context)
        for name in ("link", "loader")
    }


def write_headers(headers: Headers, directory: Path) -> tuple[Path, ...]:
    """Write the files below the directory; a file that would not change keeps its time stamp."""
    return write_files(headers.files, directory)


def write_files(files: Mapping[str, str], directory: Path) -> tuple[Path, ...]:
    """As write_headers, for texts by their path below the directory."""
    paths = []
    for name, text in sorted(files.items()):
        path = directory / name
        paths.append(path)
        content = text.encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.read_bytes() == content:
                continue
            # An interrupted build leaves the old file or the new one, never half of one.
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
                file.write(content)
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except OSError as exc:
            raise CodegenError(f"cannot write {path}: {exc.strerror}") from exc
    return tuple(paths)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def moved(plan: MemoryPlan, distance: int) -> MemoryPlan:
    """The plan as it is when the image is loaded so many bytes further up."""
    regions = (replace(region, base=region.base + distance) for region in plan.regions)
    return replace(plan, load_address=plan.load_address + distance, regions=tuple(regions))


def _render(model: Model, plan: MemoryPlan, chat: Chat, build_id: int) -> dict[str, str]:
    environment = _environment(TEMPLATES_DIR)
    types = {tensor.type for tensor in model.tensors.values()}
    context: dict[str, Any] = {
        "model": model,
        "hyper": model.hyper,
        "vocabulary": model.vocabulary,
        "product_types": sum(1 << kind for kind in COMMON_TYPES.union(types)),
        "matrix_types": sum(1 << kind for kind in model.matrix_types),
        "n_vocab": len(model.vocabulary.tokens),
        "max_token_bytes": max(map(len, model.vocabulary.tokens)),
        "chat": chat,
        "chat_token": CHAT_TOKEN,
        "chat_form": chat.form or ChatForm(),
        # Emulated machines first: what fits any CPU is told apart by where its RAM is.
        "boards": sorted(known_boards(), key=lambda board: (board.cpus.part != 0, board.name)),
        "uart_kinds": UART_KINDS,
        "plan": plan,
        "block_tensors": block_tensors(model),
        "optional_tensors": OPTIONAL_TENSORS,
        "link_constants": c_constants(),
        "link_window": LINK_WINDOW,
        "link_slot_size": LINK_SLOT_SIZE,
        "build_id": build_id,
        # The linker script's own names.
        "load_address": plan.load_address,
        "kernel_budget": plan.kernel_budget,
        "regions": plan.regions,
    }
    try:
        return {
            name: environment.get_template(template).render(context)
            for name, template in TEMPLATES.items()
        }
    except jinja2.TemplateError as exc:
        raise CodegenError(
            f"template {exc}", hint="this is a fault of Bareword, not of the model"
        ) from exc


@functools.cache  # it keeps the compiled templates: most of a rendering's time
def _environment(templates: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, LINKER_SCRIPT_DIR]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # C, not HTML; names pass through printable()
    )
    environment.filters.update(
        c_float=c_float,
        c_hex=c_hex,
        c_id=c_id,
        c_line=c_line,
        c_piece=c_piece,
        c_words=c_words,
        c_string=c_string,
        c_type=lambda number: f"TYPE_{GGMLType(number).name}",
        printable=printable,
    )
    return environment
