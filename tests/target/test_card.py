"""The model from the SD card of a Pi in QEMU, and cards that are wrong, damaged or pulled."""

import json
import re
import socket
import struct
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest

from harness.boot import boot
from harness.cli.pipeline import Built
from harness.image import Image
from harness.image.card import card_contents, plan_card, write_card
from harness.link.console import TargetPanic
from harness.link.session import Session
from tests.harness.image.card.made import made_firmware
from tests.models import Models
from tests.target.machine import Workshop, greedy, needs_board
from tests.target.page_tables import PageTables, region

pytestmark = pytest.mark.target

BLOCK, PAGE = 512, 4096
MIB_BLOCKS = 2048
COMMAND_BLOCKS = 256  # CHUNK_BLOCKS of kernel/dev/sd_card.c
FIRST_BLOCK = 8192  # of the partition: 4 MiB, as a card's erase blocks like it
PARTITION_MODEL = 0xDA
EPOCH = 1_000_000_000  # seconds since 1970
BOARDS = (
    "raspi3b",
    "raspi4b",
)  # of the latter QEMU has the card behind the Arasan, as of the former


@pytest.fixture(scope="module")
def built(workshop: Workshop, models: Models) -> Built:
    return workshop.image(models("micro-F32"), append=False)


def kernel_alone(built: Built) -> Image:
    """No loader brings the blob."""
    return replace(built.image, blob=None)


def blob_of(built: Built) -> bytes:
    assert built.image.blob is not None
    return built.image.blob.read_bytes()


def card(path: Path, blob: bytes, *, kind: int = PARTITION_MODEL, signature: int = 0xAA55) -> Path:
    """A card whose second partition holds the blob; a power of two large, as QEMU wants."""
    n_blocks = -(-len(blob) // BLOCK)
    mbr = bytearray(BLOCK)
    struct.pack_into("<BxxxBxxxII", mbr, 446, 0, 0x0C, 2048, 2048)
    struct.pack_into("<BxxxBxxxII", mbr, 462, 0, kind, FIRST_BLOCK, n_blocks)
    struct.pack_into("<H", mbr, 510, signature)
    size = 1 << (FIRST_BLOCK * BLOCK + len(blob) - 1).bit_length()
    with path.open("wb") as file:
        file.write(mbr)
        file.seek(FIRST_BLOCK * BLOCK)
        file.write(blob)
        file.truncate(size)
    return path


def drive(path: Path, *more: str) -> tuple[str, ...]:
    return ("-drive", ",".join((f"file={path},if=sd,format=raw", *more)))


def panic_of(workshop: Workshop, built: Built, *extra: str, board: str = "raspi3b") -> str:
    here = replace(built, image=kernel_alone(built), board=needs_board(board))
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(here, extra=extra, log="wrong-card.log"),
    ):
        pass
    return panic.value.report


@pytest.mark.parametrize("board", BOARDS)
def test_the_model_is_read_from_the_card(
    workshop: Workshop, built: Built, tmp_path: Path, board: str
) -> None:
    here = replace(built, image=kernel_alone(built), board=needs_board(board))
    params = greedy(12, ignore_eog=True)
    wanted = workshop.answer(built, "Once upon a time", params, cpu="twin")
    extra = drive(card(tmp_path / "sd.img", blob_of(built)))
    with workshop.session(here, extra=extra, log=f"card-{board}.log") as session:
        answer = session.generate("Once upon a time", params, want_logits=True)
        booted = (built.directory / f"card-{board}.log").read_text("utf-8", "replace")
        assert_read_only(session, booted, len(blob_of(built)))
    assert answer.logits is not None
    assert wanted.logits is not None
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))
    console = (built.directory / f"card-{board}.log").read_text("utf-8", "replace")
    assert re.search(r"SD card: \d+ MHz, 4 lines; the model is partition 2", console)
    assert re.search(r"SD card: (\d+) of \1 MiB, \d+ kB/s, 0 retries", console)


def assert_read_only(session: Session, console: str, blob_bytes: int) -> None:
    """The weights are written while they are read from the card, and never again."""
    root, tables_bytes = region(console, "page_tables")
    tables = PageTables(session, root)
    start, _ = region(console, "model.blob")
    last_page = (start + blob_bytes - 1) // PAGE * PAGE
    for page in (start, (start + last_page) // 2 // PAGE * PAGE, last_page):
        assert not tables.is_writable(page), hex(page)
    assert tables.is_writable(last_page + PAGE)
    for page in range(root, root + tables_bytes, PAGE):
        assert not tables.is_writable(page), hex(page)


def test_the_card_that_build_makes_is_read_too(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    if which("mformat") is None:
        pytest.skip("mtools is not installed (apt install mtools)")
    board = needs_board("raspi3b")
    assert board.card is not None
    # Without a device tree among them the model gets a partition, however small it is.
    firmware = made_firmware(tmp_path / "firmware", board.card.firmware)
    contents = card_contents(board, built.image, firmware=[firmware])
    layout = plan_card(contents, board.card, built.image.build_id)
    path = tmp_path / "card.img"
    write_card(
        contents, layout, path, board=board.name, build_id=built.image.build_id, epoch=EPOCH, key=""
    )
    here = replace(built, image=kernel_alone(built), board=board)
    with workshop.session(here, extra=drive(path), log="card-made.log") as session:
        assert session.generate("Once upon a time", greedy(4)).ids


@pytest.mark.parametrize("board", BOARDS)
def test_a_flipped_byte_on_the_card_is_found_by_the_crc_and_named(
    workshop: Workshop, built: Built, tmp_path: Path, board: str
) -> None:
    blob = bytearray(blob_of(built))
    blob[len(blob) // 2] ^= 0x10
    report = panic_of(workshop, built, *drive(card(tmp_path / "sd.img", bytes(blob))), board=board)
    assert "model: damaged on the SD card, partition 2: CRC 0x" in report
    assert "the card holds wrong bytes, write it again" in report


def test_a_card_of_another_build_is_refused_before_it_is_read(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    blob = bytearray(blob_of(built))
    blob[0:8] = b"GGUF\3\0\0\0"
    report = panic_of(workshop, built, *drive(card(tmp_path / "sd.img", bytes(blob))))
    assert "is no model.blob" in report


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": 0x83}, "no partition of type 0xda for the model; there are 0xc 0x83 0x0 0x0"),
        ({"signature": 0}, "no partition table (MBR) in its first block"),
    ],
)
def test_a_card_without_the_partition_says_what_it_has(
    workshop: Workshop, built: Built, tmp_path: Path, wrong: dict[str, int], says: str
) -> None:
    image = card(tmp_path / "sd.img", blob_of(built), **wrong)
    assert says in panic_of(workshop, built, *drive(image))


def test_without_initramfs_and_card_both_ways_are_named(workshop: Workshop, built: Built) -> None:
    report = panic_of(workshop, built)
    assert "none came as initrd, and none can be read from an SD card" in report
    assert "the card does not answer" in report


class Qmp:
    """A second control socket, for what only this test does."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "event" not in answer:
                return answer

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def blocks_of_a_pull(built: Built, board: str, folder: Path, when: str, reads_per_s: int) -> range:
    """The blocks that the panic names after the card was pulled as the console showed `when`.

    QEMU reads the card block by block, so many a second: slow enough for any host to pull in time.
    """
    path = folder / "qmp.sock"
    slow = f"throttling.iops-read={reads_per_s}"
    extra = drive(card(folder / "sd.img", blob_of(built)), slow)
    extra += ("-qmp", f"unix:{path},server=on,wait=off")
    log = built.directory / "pulled.log"
    with (
        boot(kernel_alone(built), needs_board(board), log=log, extra=extra) as target,
        closing(Qmp(path)) as qmp,
    ):
        seen: list[str] = []  # the console comes in pieces, of a byte maybe

        def pull(text: str) -> None:
            was_there = re.search(when, "".join(seen))
            seen.append(text)
            if not was_there and re.search(when, "".join(seen)):
                assert "error" not in qmp.execute("eject", device="sd0", force=True)

        session = Session(target.stream, on_console=pull)
        with pytest.raises(TargetPanic) as panic:
            session.connect()
    said = r"SD card: blocks (\d+) to (\d+) cannot be read: the card was pulled"
    match = re.search(said, panic.value.report)
    assert match, panic.value.report
    return range(int(match[1]), int(match[2]) + 1)


@pytest.mark.parametrize("board", BOARDS)
def test_a_card_that_is_pulled_before_the_model_is_read_is_reported(
    built: Built, tmp_path: Path, board: str
) -> None:
    blocks = blocks_of_a_pull(built, board, tmp_path, "SD card: 50 MHz", 500)
    assert blocks[0] <= FIRST_BLOCK + COMMAND_BLOCKS


@pytest.mark.parametrize("board", BOARDS)
def test_a_card_that_is_pulled_in_the_middle_is_reported_with_the_blocks(
    workshop: Workshop, models: Models, tmp_path: Path, board: str
) -> None:
    """A MiB or more has come when it is pulled, and seconds of reading are left."""
    larger = workshop.image(models("tiny-Q8_0"), append=False)
    n_blocks = len(blob_of(larger)) // BLOCK
    blocks = blocks_of_a_pull(larger, board, tmp_path, r"SD card: \d+ of \d+ MiB", 1500)
    assert n_blocks > 4 * MIB_BLOCKS
    assert FIRST_BLOCK + MIB_BLOCKS <= blocks[0] < FIRST_BLOCK + n_blocks
    assert (blocks[0] - FIRST_BLOCK) % COMMAND_BLOCKS == 0
    assert len(blocks) == COMMAND_BLOCKS
