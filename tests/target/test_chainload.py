"""The chainloader on QEMU's virt: kernels over its serial line, clean and damaged, and back."""

import json
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.board import Uart, load_board
from harness.boot import Target, boot
from harness.boot.chainload import chainload
from harness.boot.serial import open_serial
from harness.cli.main import main
from harness.cli.pipeline import Built
from harness.errors import BootError
from harness.link.generation import Generation
from harness.link.loader import Loader as LoaderSession
from harness.link.session import Session
from harness.link.stream import ByteStream, timeout_scale
from tests.cable import Cable, cable, unharmed
from tests.harness.image.card.made import made_firmware
from tests.harness.link.faulty import Noise
from tests.kernel.board_trees import pi_without_pl011
from tests.models import ROOT, Models
from tests.target.machine import Workshop, greedy, needs_board
from tests.target.test_card_image import read_back
from tests.target.test_serial_line import Board, chatting, say
from tests.target.test_serial_line import read_until as read_words

pytestmark = [pytest.mark.target, pytest.mark.slow]

LIMIT_S = 300.0
PARAMS = greedy(6, ignore_eog=True)


@dataclass(frozen=True)
class Loader:
    """What QEMU starts: the loader; the weights travel as initrd, as on a card."""

    kernel8: Path
    blob: Path | None


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of artefacts with a loader for each board."""
    folder = tmp_path_factory.mktemp("loader")
    for board in ("virt", "raspi3b", "raspi4b"):
        command = ["build", "--loader", "--board", board, "--no-card"]
        assert main([*command, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def built(workshop: Workshop, models: Models) -> Built:
    """What goes over the line is the kernel alone, at the 10 kB/s of QEMU's."""
    return workshop.image(models("micro-Q8_0"), n_ctx=256, append=False)


@pytest.fixture(scope="module")
def wanted(workshop: Workshop, built: Built) -> Generation:
    """What the kernel says when QEMU itself loads it."""
    return workshop.answer(built, "Once", PARAMS)


@contextmanager
def loader(
    loaders: Path, built: Built, log: str, board: str = "virt", extra: Sequence[str] = ()
) -> Iterator[Target]:
    """A machine whose reset leads to the loader again, where the harness's QEMU would end."""
    image = loaders / board.removesuffix("-el2") / "loader" / "loader.img"
    with boot(
        Loader(image, built.image.blob),
        load_board(board),
        log=built.directory / log,
        extra=["-action", "reboot=reset", *extra],
    ) as target:
        yield target


def read_until(stream: ByteStream, words: bytes) -> bytes:
    data = b""
    end = time.monotonic() + LIMIT_S * timeout_scale()
    while words not in data:
        assert time.monotonic() < end, data
        data += stream.read(0.5)
    return data


def assert_same(stream: ByteStream, built: Built, wanted: Generation) -> Session:
    session = Session(stream)
    session.connect(expected_build_id=built.image.build_id)
    answer = session.generate("Once", PARAMS, want_logits=True)
    assert answer.ids == wanted.ids
    assert answer.logits is not None
    assert wanted.logits is not None
    assert answer.logits.tobytes() == wanted.logits.tobytes()
    return session


def test_a_kernel_that_is_sent_has_the_bits_of_one_that_is_loaded(
    loaders: Path, built: Built, wanted: Generation, tmp_path: Path
) -> None:
    """Sent to the loader; and then by `run`, which reboots the kernel that is running."""
    kernel = built.image.kernel8.read_bytes()
    said: list[str] = []
    with loader(loaders, built, "chainload.log") as target:
        started = chainload(target.stream, kernel, say=said.append)
        assert started.pushed.crc == zlib.crc32(kernel)
        assert "QEMU virt" in said[0]
        assert f"{built.board.load_address:#x}" in said[0]
        assert_same(started.stream, built, wanted)
        with cable(target.stream, tmp_path) as wire:
            done = run_over(wire, built)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ids"] == list(wanted.ids)
    assert "[a kernel runs: rebooting it]" in done.stderr
    assert "[sending at 1500000 baud]" in done.stderr
    assert f"{zlib.crc32(kernel):08x} verified on the board" in done.stderr


def run_over(wire: Cable, built: Built) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "run", "-m", str(built.directory)]
    command += ["--target", f"serial:{wire.port},chainload", "--raw", "-p", "Once", "-n", "6"]
    return subprocess.run(
        [*command, "--temp", "0", "--ignore-eos", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S * timeout_scale(),
    )


@contextmanager
def sent_over_a_bad_line(
    target: Target, built: Built, wanted: Generation, folder: Path, rate: float = 0.01
) -> Iterator[Session]:
    """Through a pseudo-terminal that spoils so many of all bytes: lost, flipped, doubled, invented.

    The answer comes over a good one.
    """
    kernel = built.image.kernel8.read_bytes()
    noise_in, noise_out = Noise(rate, seed=5), Noise(rate, seed=6)
    with cable(target.stream, folder) as wire:
        port = open_serial(str(wire.port))
        try:
            wire.to_host, wire.to_board = noise_in.apply, noise_out.apply
            started = chainload(port, kernel)
            wire.to_host = wire.to_board = unharmed
            assert started.pushed.crc == zlib.crc32(kernel)
            assert noise_out.faults > len(kernel) * rate
            assert noise_in.faults > 0
            yield assert_same(started.stream, built, wanted)
        finally:
            port.close()


def test_one_bad_byte_in_a_hundred_changes_nothing(
    loaders: Path, built: Built, wanted: Generation, tmp_path: Path
) -> None:
    with (
        loader(loaders, built, "noisy.log") as target,
        sent_over_a_bad_line(target, built, wanted, tmp_path),
    ):
        pass


def test_a_host_of_raspbootin_s_kind_is_served_at_el2_too(
    loaders: Path, built: Built, wanted: Generation
) -> None:
    """The kernel finds the exception level that the firmware has chosen."""
    kernel = built.image.kernel8.read_bytes()
    with loader(loaders, built, "raspbootin.log", board="virt-el2") as target:
        read_until(target.stream, b"\x03\x03\x03")
        target.stream.write(struct.pack("<I", len(kernel)))
        read_until(target.stream, b"OK")
        target.stream.write(kernel)
        banner = read_until(target.stream, b"cores run")
        assert re.search(rb"Bareword: .*EL2", banner)
        assert_same(target.stream, built, wanted)


@pytest.mark.parametrize(
    ("board", "says", "banner", "rate"),
    [
        ("raspi3b", "raspi3b, 4 x Cortex-A53", "Raspberry Pi 3", 0.01),
        # The same loader but for its addresses: a tenth of the faults, and a minute less.
        ("raspi4b", "raspi4b, 4 x Cortex-A72", "Raspberry Pi 4", 0.001),
    ],
    ids=["raspi3b", "raspi4b"],
)
def test_a_pi_gets_the_same_kernel_over_a_bad_line_and_its_watchdog_leads_back_to_the_loader(
    loaders: Path,
    built: Built,
    wanted: Generation,
    tmp_path: Path,
    board: str,
    says: str,
    banner: str,
    rate: float,
) -> None:
    needs_board(board)
    with loader(loaders, built, f"{board}.log", board=board) as target:
        with sent_over_a_bad_line(target, built, wanted, tmp_path, rate) as session:
            assert session.welcome.description.startswith(says)
            session.reboot()
        assert banner in LoaderSession(target.stream).find().description


def test_a_loader_and_a_model_on_one_card_and_a_uart_of_the_8250_s_kind(
    built: Built, wanted: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pi 3 whose console is the mini UART; the kernel comes over it, the model is the card's."""
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")
    pi3 = load_board("raspi3b")
    mini = replace(pi3, uart=Uart("mini", 0x3F21_5040, reg_shift=2))
    monkeypatch.setattr("harness.cli.loader.load_board", lambda _: mini)
    monkeypatch.setattr("harness.cli.loader.build", lambda _: built)
    assert pi3.card is not None
    firmware = made_firmware(tmp_path / "firmware", pi3.card.firmware)  # and no device tree
    command = ["build", "--loader", "-m", str(built.model_path), "--board", "pi3"]
    assert main([*command, "-o", str(tmp_path), "--firmware", str(firmware)]) == 0
    card = tmp_path / "raspi3b" / "loader" / "card.img"
    image = Loader(read_back(card, "kernel8.img", tmp_path / "read"), None)
    dtb = tmp_path / "pi.dtb"
    dtb.write_bytes(pi_without_pl011())
    extra = ["-drive", f"if=sd,format=raw,file={card}", "-serial", "null"]
    log = built.directory / "card-loader.log"
    with boot(image, pi3, dtb=dtb, log=log, extra=extra) as target:
        loader = LoaderSession(target.stream)
        assert loader.find().baud_max == 0, "nobody has told the loader what its clock is"
        assert_same(
            chainload(target.stream, built.image.kernel8.read_bytes()).stream, built, wanted
        )
    assert "the model is partition 2" in log.read_text("utf-8", "replace")


def test_a_board_that_starts_kernels_is_told(built: Built) -> None:
    extra = ["-action", "reboot=reset"]
    with (
        boot(built.image, built.board, log=built.directory / "none.log", extra=extra) as target,
        pytest.raises(BootError, match="runs a kernel again, not the loader"),
    ):
        chainload(target.stream, built.image.kernel8.read_bytes())


def test_chat_sends_the_kernel_again_after_a_reset_and_goes_on_after_a_lost_cable(
    loaders: Path, built: Built, tmp_path: Path
) -> None:
    qmp = tmp_path / "qmp"
    extra = ["-qmp", f"unix:{qmp},server=on,wait=off"]
    with (
        loader(loaders, built, "chat.log", extra=extra) as target,
        cable(target.stream, tmp_path) as wire,
    ):
        board = Board(built, wire, qmp, ",chainload")
        with chatting(board) as chat:
            read_words(chat, b"[seed: ")  # the first kernel has come
            say(chat, "one")
            board.reset()
            said = read_words(chat, b"sending at 1500000 baud")
            assert b"the target has started again" in said
            assert b"waiting for the board" in said
            wire.pull()  # in the middle of the kernel
            wire.plug()
            said = read_words(chat, b"begins afresh")
            assert b"verified on the board" in said
            say(chat, "two")
