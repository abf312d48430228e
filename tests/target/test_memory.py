"""RAM beyond the kernel's range: a blob above 4 GiB, several ranges, holes, reservations.

The machines have 6 GiB, of which the host gives only the pages that are touched.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.board import Board, RamRange, load_board
from harness.boot import boot
from harness.codegen import render_headers, write_headers
from harness.compile import compile_kernel
from harness.gguf import read_gguf
from harness.image import Image, make_image, pack_blob
from harness.link.console import TargetPanic
from harness.link.generation import Generation
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.plan import MemoryPlan, plan_memory
from harness.verify import compare
from tests.kernel.device_tree import Node, read_device_tree, write_device_tree
from tests.models import Models
from tests.target.machine import Workshop, dumped_tree, greedy
from toolchain import find_toolchain

pytestmark = pytest.mark.target

MIB, GIB = 1 << 20, 1 << 30
RAM_BASE = 0x4000_0000
KERNEL = 0x4008_0000
FDT = 0x4078_0000  # in the kernel's range, above the image
STUB = 0x5000_0000  # in none of the ranges that the tree names
FOUR_GIB = 1 << 32
PROMPT, PARAMS = Prompt.of_text("Once upon a time"), greedy(8, ignore_eog=True)


def test_a_blob_above_4_gib_is_mapped_and_says_the_same_words(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model of 5 GB needs, with one of 1 MB: no limit lets it travel another way."""
    monkeypatch.setattr("harness.board.INITRD_LIMIT", 0)
    monkeypatch.setattr("harness.plan.planner.APPEND_LIMIT", 0)
    path, shop = models("micro-Q8_0"), Workshop(tmp_path)
    built = shop.image(path, ram_bytes=6 * GIB)
    blob = built.image.blob
    assert blob is not None
    before = blob.read_bytes()
    answer = shop.answer(built, PROMPT, PARAMS, n_cores=2)
    verdict = compare(answer, read_gguf(path), prompt=PROMPT, params=PARAMS)
    assert verdict.ok, verdict.report()
    console = (built.directory / "console.log").read_text(errors="replace")
    place = (RAM_BASE + 6 * GIB - blob.stat().st_size) & -(2 * MIB)
    assert place > FOUR_GIB
    assert f"0x{place:09x}" in line_of(console, "model.blob")
    assert f"RAM 0x{RAM_BASE:x}.." in console
    assert blob.read_bytes() == before, "nothing is written back"


@dataclass(frozen=True)
class Pieces:
    """An image for a board whose RAM is in pieces, and its model."""

    board: Board
    model: Path
    plan: MemoryPlan
    image: Image
    blob: Path
    folder: Path


# Of the kernel's piece the image needs half; no piece holds two of image, blob and KV cache.
MAIN, FOR_BLOB, FOR_CACHE = (
    RamRange(RAM_BASE, 8 * MIB),
    RamRange(0x1_0000_0000, 4 * MIB),
    RamRange(0x1_8000_0000, 12 * MIB),
)


@pytest.fixture(scope="module")
def pieces(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    folder = tmp_path_factory.mktemp("pieces")
    board = replace(load_board("virt"), ram=(MAIN, FOR_BLOB, FOR_CACHE))
    path = models("tiny-Q4_K_M")
    model = read_gguf(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.plan.planner.APPEND_LIMIT", 0)
        plan = plan_memory(model, board, n_ctx=2048, kv_type="f32")
    headers = render_headers(model, board, plan)
    write_headers(headers, folder)
    blob = pack_blob(model, plan, headers.build_id, folder / "model.blob")
    kernel = compile_kernel(folder, find_toolchain(None), folder, plan)
    image = make_image(kernel.elf, blob, plan, folder)
    return Pieces(board, path, plan, image, blob.path, folder)


def test_the_plan_uses_each_range_because_none_holds_more(pieces: Pieces) -> None:
    plan = pieces.plan
    assert not plan.kv_in_image
    assert plan.initrd_base == FOR_BLOB.base
    assert plan.kv_cache.base == FOR_CACHE.base
    assert plan.kv_bytes == 8 * MIB
    assert plan.load_address + plan.image_size < FDT


def test_words_are_the_same_when_blob_and_cache_lie_beyond_holes(pieces: Pieces) -> None:
    """Two nodes of memory, one with two ranges; 3 MiB of the cache's range are the firmware's."""
    reserved = Node(
        "reserved-memory",
        {"#address-cells": [2], "#size-cells": [2], "ranges": b""},
        [
            Node("secure", {"reg": cells(FOR_CACHE.base, MIB), "no-map": b""}),
            Node("shared", {"reg": cells(FOR_CACHE.base + MIB, MIB)}),
        ],
    )
    tree = tree_of((MAIN, FOR_BLOB), (FOR_CACHE,), pieces=pieces, more=[reserved])
    reservations = [(FOR_CACHE.base + 2 * MIB, 4096)]
    answer, console = run(pieces, write_device_tree(tree, reservations))
    verdict = compare(answer, read_gguf(pieces.model), prompt=PROMPT, params=PARAMS, kv_type="f32")
    assert verdict.ok, verdict.report()
    for piece in pieces.board.ram:
        assert f"RAM 0x{piece.base:x}..0x{piece.end:x}, {piece.size_bytes // MIB} MiB" in console
    assert f"0x{FOR_BLOB.base:09x}" in line_of(console, "model.blob")
    assert f"0x{FOR_CACHE.base + 4 * MIB:09x}" in line_of(console, "kv_cache")


def test_a_machine_without_a_range_for_the_cache_says_what_is_missing(pieces: Pieces) -> None:
    small = replace(FOR_CACHE, size_bytes=7 * MIB)
    tree = tree_of((MAIN,), (FOR_BLOB, small), pieces=pieces)
    with pytest.raises(TargetPanic) as panic:
        run(pieces, write_device_tree(tree))
    assert (
        "layout: the KV cache needs 8192 KiB in one piece, and none of this machine's 19456 KiB of "
        "RAM in 3 ranges has so much that is free" in panic.value.report
    )


def test_a_machine_without_ram_below_the_blob_says_where_it_lies(pieces: Pieces) -> None:
    tree = tree_of((MAIN,), (FOR_CACHE,), pieces=pieces)
    with pytest.raises(TargetPanic) as panic:
        run(pieces, write_device_tree(tree))
    wanted = f"layout: the initrd starts at 0x{FOR_BLOB.base:x}, where this machine has no RAM"
    assert wanted in panic.value.report


def line_of(console: str, what: str) -> str:
    return next(line for line in console.splitlines() if line.rstrip().endswith(what))


def cells(*values: int) -> list[int]:
    return [half for value in values for half in (value >> 32, value & 0xFFFFFFFF)]


def tree_of(*nodes: Sequence[RamRange], pieces: Pieces, more: Sequence[Node] = ()) -> Node:
    """QEMU's own tree with other memory, and the blob where only this loader knows."""
    dump = pieces.folder / "virt.dtb"
    if not dump.is_file():
        dumped_tree(pieces.board, dump)
    tree = read_device_tree(dump.read_bytes())
    others = [child for child in tree.children if not child.name.startswith("memory")]
    memory = [
        Node(
            f"memory@{node[0].base:x}",
            {
                "device_type": "memory",
                "reg": cells(
                    *(value for piece in node for value in (piece.base, piece.size_bytes))
                ),
            },
        )
        for node in reversed(nodes)  # in no order
    ]
    tree.children = [*memory, *others, *more]
    size_bytes = pieces.blob.stat().st_size
    tree.child("chosen").properties |= {
        "linux,initrd-start": cells(FOR_BLOB.base),
        "linux,initrd-end": cells(FOR_BLOB.base + size_bytes),
    }
    return tree


def loader_stub() -> bytes:
    """The last instructions of a boot loader: x0 = FDT, jump to the kernel. With Image header."""
    code = [0x14000010]  # b . + 0x40
    header = struct.pack(
        "<IIQQQQQQ4sI", *code, 0, STUB - RAM_BASE, 4096, 10, 0, 0, 0, b"ARM\x64", 0
    )
    # ldr x0, . + 16; ldr x4, . + 20; br x4; nop
    body = struct.pack("<IIIIQQ", 0x58000080, 0x580000A4, 0xD61F0080, 0xD503201F, FDT, KERNEL)
    return header + body


@contextmanager
def machine(pieces: Pieces, tree: bytes) -> Iterator[Session]:
    stub, dtb = pieces.folder / "stub.img", pieces.folder / "tree.dtb"
    stub.write_bytes(loader_stub())
    dtb.write_bytes(tree)
    files = ((pieces.image.kernel8, KERNEL), (dtb, FDT), (pieces.blob, FOR_BLOB.base))
    extra = [
        word
        for path, address in files
        for word in ("-device", f"loader,file={path},addr={address:#x},force-raw=on")
    ]
    real = replace(pieces.board, ram=(RamRange(RAM_BASE, 6 * GIB),))
    log = pieces.folder / "console.log"
    with boot(Image(stub, None, 0), real, log=log, extra=extra) as target:
        session = Session(target.stream)
        session.connect(expected_build_id=pieces.image.build_id)
        yield session
        session.poweroff()


def run(pieces: Pieces, tree: bytes) -> tuple[Generation, str]:
    """The answer, and what the console showed."""
    with machine(pieces, tree) as session:
        answer = session.generate(PROMPT, PARAMS, want_logits=True)
    return answer, (pieces.folder / "console.log").read_text(errors="replace")
