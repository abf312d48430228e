"""A card image in QEMU: what is on it boots, by U-Boot and on a Pi's machine, and says the same."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.board import Board, load_board
from harness.boot.qemu import boot_command, find_qemu
from harness.cli.pipeline import Built
from harness.image import Image
from harness.image.card import CardContents, CardList, card_contents, plan_card, write_card
from harness.link.generation import Generation
from harness.link.session import Session
from tests.models import Models
from tests.target.machine import Workshop, greedy, needs_board
from tests.target.test_u_boot import U_BOOT, read_until

pytestmark = pytest.mark.target

PROMPT = "Once upon a time"
PARAMS = greedy(12, ignore_eog=True)
EPOCH = 1_767_225_600


@pytest.fixture(scope="module")
def built(workshop: Workshop, models: Models) -> Built:
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")
    return workshop.image(models("micro-F32"), append=False)


@pytest.fixture(scope="module")
def wanted(workshop: Workshop, built: Built) -> Generation:
    return workshop.answer(built, PROMPT, PARAMS, cpu="twin")


def made_card(built: Built, board: Board, contents: CardContents, path: Path) -> CardList:
    assert board.card is not None
    layout = plan_card(contents, board.card, built.image.build_id)
    return write_card(
        *(contents, layout, path),
        board=board.name,
        build_id=built.image.build_id,
        epoch=EPOCH,
        key="",
    )


def read_back(card: Path, name: str, folder: Path) -> Path:
    """A file of partition 1, which begins at 4 MiB."""
    folder.mkdir(exist_ok=True)
    command = ["mcopy", "-i", f"{card.name}@@4M", f"::{name}", str(folder / name)]
    subprocess.run(command, cwd=card.parent, check=True, capture_output=True)
    return folder / name


def require_same(answer: Generation, wanted: Generation) -> None:
    assert answer.logits is not None
    assert wanted.logits is not None
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))


def test_u_boot_starts_a_card_by_itself(built: Built, wanted: Generation, tmp_path: Path) -> None:
    if not U_BOOT.is_file():
        pytest.skip(f"{U_BOOT} is not there (apt install u-boot-qemu)")
    rk3588, virt = load_board("rk3588"), load_board("virt-el2")
    card = tmp_path / "card.img"
    made_card(built, rk3588, card_contents(rk3588, built.image, firmware=None), card)
    command = [find_qemu(virt), "-M", virt.machine, "-cpu", "cortex-a76", "-m", "1G"]
    command += ["-bios", str(U_BOOT), "-drive", f"if=none,id=card,file={card},format=raw"]
    command += ["-device", "virtio-blk-device,drive=card"]
    command += ["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
    log = built.directory / "card-u-boot.log"
    with boot_command(command, log) as target:
        read_until(target, b"Bareword: ")  # a byte of ours would stop U-Boot's countdown
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        answer = session.generate(PROMPT, PARAMS, want_logits=True)
        session.poweroff()
    require_same(answer, wanted)
    assert "Found /extlinux/extlinux.conf" in log.read_text("utf-8", "replace")


@pytest.mark.parametrize("name", ["raspi3b", "raspi4b"])
def test_a_pi_takes_the_model_from_the_second_partition(
    workshop: Workshop, built: Built, wanted: Generation, tmp_path: Path, name: str
) -> None:
    """QEMU has no boot ROM of a Pi: it is given the kernel that was read out of the card.

    Its raspi4b has the card behind the Arasan controller, not behind the Pi 4's own (EMMC2).
    """
    board = needs_board(name)
    assert board.card is not None
    # No device tree is found, so that nobody can tell the kernel where a file was put.
    for file in board.card.firmware:
        (tmp_path / file).write_bytes(b"firmware")
    contents = card_contents(board, built.image, firmware=[tmp_path])
    card = tmp_path / "card.img"
    listing = made_card(built, board, contents, card)
    assert [p.type for p in listing.partitions] == [0x0C, 0xDA]
    kernel8 = read_back(card, "kernel8.img", tmp_path / "read")
    here = replace(built, board=board, image=Image(kernel8, None, built.image.build_id))
    extra = ("-drive", f"if=sd,format=raw,file={card}")
    with workshop.session(here, extra=extra, log=f"card-{name}.log") as session:
        require_same(session.generate(PROMPT, PARAMS, want_logits=True), wanted)
    console = (built.directory / f"card-{name}.log").read_text("utf-8", "replace")
    assert "the model is partition 2" in console
