"""One image on every board that QEMU has: the same bytes, the same logits bits."""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.board import Board
from harness.boot import Target, boot
from harness.cli.pipeline import Built
from harness.link.generation import Generation
from harness.link.sensors import Readings
from harness.link.session import Session
from harness.link.stream import StreamEnded
from tests.kernel.board_trees import made_tree, pi_without_pl011
from tests.models import Models, shared_folder
from tests.target.machine import (
    Workshop,
    cpu_s,
    dumped_tree,
    greedy,
    needs_board,
    qemu_pids,
)

pytestmark = pytest.mark.target

MODEL = "micro-F32"  # the shape of stories260K
N_CORES = 4
N_TOKENS = 12
PROMPT = "Once upon a time there was a girl"  # more tokens than cores, and no multiple of them
REAL_TREES = {"raspi3b": "bcm2837-rpi-3-b.dtb", "raspi4b": "bcm2711-rpi-4-b.dtb"}
PIS = tuple(REAL_TREES)


@pytest.fixture(scope="module")
def built(workshop: Workshop, models: Models) -> Built:
    return workshop.image(models(MODEL))


@pytest.fixture(scope="module")
def with_blob(workshop: Workshop, models: Models) -> Built:
    """The image of a model that travels by itself."""
    return workshop.image(models(MODEL), append=False)


@pytest.fixture(scope="module")
def on_the_host(workshop: Workshop, built: Built) -> Generation:
    params = greedy(N_TOKENS, ignore_eog=True)
    wanted = workshop.answer(built, PROMPT, params, cpu="twin")
    assert wanted.stats is not None
    assert wanted.stats.n_prompt > N_CORES
    assert wanted.stats.n_prompt % N_CORES
    return wanted


def assert_same_bits(session: Session, wanted: Generation) -> None:
    answer = session.generate(PROMPT, greedy(N_TOKENS, ignore_eog=True), want_logits=True)
    assert answer.logits is not None
    assert wanted.logits is not None
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))


def tree_of(board: Board, kind: str, folder: Path) -> Path | None:
    """What -dtb gets. "made": for a Pi by tests/kernel, for virt by QEMU itself beforehand."""
    path = folder / f"{board.name}.dtb"
    if kind == "none":
        return None
    if kind == "real":
        path = shared_folder() / "dtb" / REAL_TREES[board.name]
        if not path.is_file():
            pytest.skip(f"{path} is not there")
    elif board.name in PIS:
        path.write_bytes(made_tree(board.name))
    else:
        dumped_tree(board, path, n_cores=N_CORES)
    return path


def source(board: str, tree: str) -> str:
    """What the kernel says of where its facts are from; without -dtb QEMU's Pis have ATAGs."""
    if tree == "none" and board in PIS:
        return f"machine: built-in facts of {board}, and ATAGs; device tree: none, x0 is 0x100\n"
    return r"machine: device tree at 0x[0-9a-f]+\n"


@pytest.mark.parametrize("board", PIS)
def test_an_image_is_the_same_bytes_whichever_board_it_is_built_for(
    workshop: Workshop, models: Models, built: Built, board: str
) -> None:
    other = workshop.image(models(MODEL), board=board)
    assert other.image.kernel8.read_bytes() == built.image.kernel8.read_bytes()


# Without -dtb QEMU makes a tree for virt, and none for a Pi.
@pytest.mark.parametrize("tree", ["none", "made"])
@pytest.mark.parametrize(
    ("board", "says"),
    [
        ("virt", "virt, 4 x Cortex-A72 (NEON), EL1"),
        ("virt-el2", "virt-el2, 4 x Cortex-A72 (NEON), EL2"),
        ("raspi3b", "raspi3b, 4 x Cortex-A53 (NEON), EL2"),
        ("raspi4b", "raspi4b, 4 x Cortex-A72 (NEON), EL2"),
    ],
)
def test_one_image_gives_the_same_bits_on_every_board_with_and_without_dtb(
    workshop: Workshop,
    built: Built,
    on_the_host: Generation,
    tmp_path: Path,
    board: str,
    says: str,
    tree: str,
) -> None:
    here = replace(built, board=needs_board(board))
    dtb = tree_of(here.board, tree, tmp_path)
    log = f"{board}-{tree}.log"
    with workshop.session(here, n_cores=N_CORES, dtb=dtb, log=log) as session:
        assert session.welcome.description.startswith(says)
        assert_same_bits(session, on_the_host)
        told = session.sensors()  # QEMU's mailbox: every clock is 700 MHz
        if board in PIS:
            assert (told.mhz, told.celsius) == (700, 25.0)
            assert told.throttling in ((), None)  # None: QEMU 7.2 knows no such question
        else:
            assert told == Readings()
    console = (built.directory / log).read_text("utf-8", "replace")
    assert "4 of 4 cores run" in console
    assert re.search(source(board, tree), console)
    if board in PIS:
        assert "ARM clock 700 MHz, 25.0 C" in console
        assert "RAM 0x0..0x3c000000, 960 MiB" in console


@pytest.mark.parametrize("board", PIS)
@pytest.mark.parametrize("tree", ["none", "made", "real"])
def test_a_pi_finds_the_blob_that_came_as_initramfs_by_atags_or_tree(
    workshop: Workshop,
    with_blob: Built,
    on_the_host: Generation,
    tmp_path: Path,
    board: str,
    tree: str,
) -> None:
    here = replace(with_blob, board=needs_board(board))
    dtb = tree_of(here.board, tree, tmp_path)
    log = f"initrd-{board}-{tree}.log"
    with workshop.session(here, n_cores=N_CORES, dtb=dtb, log=log) as session:
        assert session.welcome.description.startswith(f"{board}, 4 x ")
        assert_same_bits(session, on_the_host)


@pytest.mark.parametrize("board", PIS)
def test_an_idle_pi_leaves_the_host_alone(workshop: Workshop, built: Built, board: str) -> None:
    here = replace(built, board=needs_board(board))
    log = f"idle-{board}.log"
    with workshop.session(here, log=log) as session:
        session.generate("Hello", greedy(2))
        (pid,) = qemu_pids(built.directory / log)
        time.sleep(1.0)
        before = cpu_s(pid)
        time.sleep(3.0)
        assert cpu_s(pid) - before < 0.6  # of 3 s; one core that does not sleep takes all of them


def read_to_the_end(target: Target) -> None:
    while True:
        target.stream.read(60.0)


@pytest.mark.parametrize("board", PIS)
@pytest.mark.parametrize("action", ["poweroff", "reboot"])
def test_a_pi_is_switched_off_and_restarted_by_its_watchdog(
    built: Built, action: str, board: str
) -> None:
    log = built.directory / f"{action}-{board}.log"
    with boot(built.image, needs_board(board), log=log) as target:
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        getattr(session, action)()
        with pytest.raises(StreamEnded, match="exit status 0"):  # -no-reboot: QEMU ends either way
            read_to_the_end(target)


def test_the_mini_uart_is_a_console_too(
    workshop: Workshop, built: Built, on_the_host: Generation, tmp_path: Path
) -> None:
    here = replace(built, board=needs_board("raspi3b"))
    dtb = tmp_path / "pi.dtb"
    dtb.write_bytes(pi_without_pl011())
    second_line = ("-serial", "null")  # before the console's: the machine's PL011
    with workshop.session(here, dtb=dtb, extra=second_line, log="mini.log") as session:
        assert session.welcome.description.startswith("Example board, 4 x Cortex-A53")
        assert_same_bits(session, on_the_host)
