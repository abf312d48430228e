"""One image on every board that QEMU has: the same bytes, the same logits bits."""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.boot import Target, boot
from harness.cli.pipeline import Built
from harness.link.generation import Generation
from harness.link.sensors import Readings
from harness.link.session import Session
from harness.link.stream import StreamEnded
from tests.kernel.device_tree import Node, Value, write_device_tree
from tests.target.machine import Workshop, cpu_s, greedy, needs_board, qemu_pids

pytestmark = pytest.mark.target

N_TOKENS = 12
PROMPT = "Once upon a time there was a girl who"  # more tokens than cores, and no multiple of them
TREES = {"raspi3b": "bcm2837-rpi-3-b.dtb", "raspi4b": "bcm2711-rpi-4-b.dtb"}


@pytest.fixture(scope="module")
def built(workshop: Workshop, stories260k: Path) -> Built:
    return workshop.image(stories260k)


@pytest.fixture(scope="module")
def with_blob(workshop: Workshop, stories260k: Path) -> Built:
    """The image of a model that travels by itself."""
    return workshop.image(stories260k, append=False)


@pytest.fixture(scope="module")
def on_the_host(workshop: Workshop, built: Built) -> Generation:
    params = greedy(N_TOKENS, ignore_eog=True)
    return workshop.answer(built, PROMPT, params, cpu="twin")


def assert_same_bits(session: Session, wanted: Generation) -> None:
    answer = session.generate(PROMPT, greedy(N_TOKENS, ignore_eog=True), want_logits=True)
    assert answer.logits is not None
    assert wanted.logits is not None
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))


def tree_of(shared: Path, board: str) -> Path:
    path = shared / "dtb" / TREES[board]
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def sources(board: str, tree: bool) -> str:
    """What the kernel says of where its facts are from; without -dtb QEMU's Pis have ATAGs."""
    if tree or board not in TREES:
        return r"machine: device tree at 0x[0-9a-f]+\r?\n"
    return f"machine: built-in facts of {board}, and ATAGs; device tree: none, x0 is 0x100\r?\n"


@pytest.mark.parametrize("board", ["raspi3b"])
def test_an_image_is_the_same_bytes_whichever_board_it_is_built_for(
    workshop: Workshop, built: Built, stories260k: Path, board: str
) -> None:
    other = workshop.image(stories260k, board=board)
    assert other.image.kernel8.read_bytes() == built.image.kernel8.read_bytes()


@pytest.mark.parametrize(
    ("board", "says"),
    [
        ("virt", "virt, 4 x Cortex-A72 (NEON), EL1"),
        ("virt-el2", "virt-el2, 4 x Cortex-A72 (NEON), EL2"),
        ("raspi3b", "raspi3b, 4 x Cortex-A53 (NEON), EL2"),
        ("raspi4b", "raspi4b, 4 x Cortex-A72 (NEON), EL2"),
    ],
)
@pytest.mark.parametrize("tree", [False, True], ids=["its own tree, or none", "with -dtb"])
def test_one_image_gives_the_same_bits_on_every_board(
    workshop: Workshop,
    built: Built,
    on_the_host: Generation,
    shared: Path,
    board: str,
    says: str,
    tree: bool,
) -> None:
    if tree and board not in TREES:
        pytest.skip("QEMU makes this machine's tree")
    here = replace(built, board=needs_board(board))
    dtb = tree_of(shared, board) if tree else None
    log = f"{board}-{tree}.log"
    with workshop.session(here, n_cores=4, dtb=dtb, log=log) as session:
        assert session.welcome.description.startswith(says)
        assert_same_bits(session, on_the_host)
        told = session.sensors()  # QEMU's mailbox: every clock is 700 MHz
        if board in TREES:
            assert (told.mhz, told.celsius) == (700, 25.0)
            assert told.throttling in ((), None)  # None: QEMU 7.2 knows no such question
        else:
            assert told == Readings()
    console = (built.directory / log).read_text("utf-8", "replace")
    assert "4 of 4 cores run" in console
    assert re.search(sources(board, tree), console)
    if board in TREES:
        assert "ARM clock 700 MHz, 25.0 C" in console
        assert "RAM 0x0..0x3c000000, 960 MiB" in console


@pytest.mark.parametrize("board", ["raspi3b", "raspi4b"])
@pytest.mark.parametrize("tree", [False, True], ids=["by ATAGs", "by the tree"])
def test_a_pi_finds_the_blob_that_came_as_initramfs(
    workshop: Workshop,
    with_blob: Built,
    on_the_host: Generation,
    shared: Path,
    board: str,
    tree: bool,
) -> None:
    here = replace(with_blob, board=needs_board(board))
    dtb = tree_of(shared, board) if tree else None
    with workshop.session(here, dtb=dtb, log=f"initrd-{board}-{tree}.log") as session:
        assert_same_bits(session, on_the_host)


def test_an_idle_pi_leaves_the_host_alone(workshop: Workshop, built: Built) -> None:
    here = replace(built, board=needs_board("raspi3b"))
    with workshop.session(here, log="idle-pi.log") as session:
        session.generate("Hello", greedy(2))
        (pid,) = qemu_pids(built.directory / "idle-pi.log")
        time.sleep(1.0)
        before = cpu_s(pid)
        time.sleep(3.0)
        assert cpu_s(pid) - before < 0.6  # of 3 s; one core that does not sleep takes all of them


def read_to_the_end(target: Target) -> None:
    while True:
        target.stream.read(60.0)


@pytest.mark.parametrize("action", ["poweroff", "reboot"])
def test_a_pi_is_switched_off_and_restarted_by_its_watchdog(built: Built, action: str) -> None:
    board = needs_board("raspi3b")
    with boot(built.image, board, log=built.directory / f"{action}.log") as target:
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        getattr(session, action)()
        with pytest.raises(StreamEnded, match="exit status 0"):  # -no-reboot: QEMU ends either way
            read_to_the_end(target)


def pi_without_pl011(path: Path) -> Path:
    """A Pi 3 whose PL011 is used for something else: the console is the mini UART."""
    narrow: dict[str, Value] = {"#address-cells": [1], "#size-cells": [1]}

    def device(name: str, compatible: str, *reg: int, **more: Value) -> Node:
        return Node(name, {"compatible": compatible, "reg": list(reg), **more})

    ranges = [0x7E00_0000, 0x3F00_0000, 0x100_0000, 0x4000_0000, 0x4000_0000, 0x1000]
    dma = [0xC000_0000, 0, 0x3F00_0000]
    soc = Node(
        "soc",
        narrow | {"compatible": "simple-bus", "ranges": ranges, "dma-ranges": dma},
        [
            device("gpio", "brcm,bcm2835-gpio", 0x7E20_0000, 0xB4),
            device("uart0", "arm,pl011", 0x7E20_1000, 0x200, status="disabled"),
            device("uart1", "brcm,bcm2835-aux-uart", 0x7E21_5040, 0x40, interrupts=[1, 29]),
            device("mailbox", "brcm,bcm2835-mbox", 0x7E00_B880, 0x40),
            device("watchdog", "brcm,bcm2835-pm-wdt", 0x7E10_0000, 0x28),
            device("sdhci", "brcm,bcm2835-sdhci", 0x7E30_0000, 0x100),
            device("intc", "brcm,bcm2836-armctrl-ic", 0x7E00_B200, 0x200),
            device("local", "brcm,bcm2836-l1-intc", 0x4000_0000, 0x100),
        ],
    )
    cpu: dict[str, Value] = {"device_type": "cpu", "enable-method": "spin-table"}
    cpus = [
        Node(f"cpu@{i}", cpu | {"reg": [i], "cpu-release-addr": [0, 0xD8 + 8 * i]})
        for i in range(4)
    ]
    root = Node(
        "",
        narrow | {"compatible": "example,board", "model": "Example board"},
        [
            Node("chosen", {"stdout-path": "/soc/uart1"}),
            Node("memory@0", {"device_type": "memory", "reg": [0, 0x3C00_0000]}),
            Node("cpus", {"#address-cells": [1], "#size-cells": [0]}, cpus),
            soc,
        ],
    )
    path.write_bytes(write_device_tree(root))
    return path


def test_the_mini_uart_is_a_console_too(
    workshop: Workshop, built: Built, on_the_host: Generation, tmp_path: Path
) -> None:
    here = replace(built, board=needs_board("raspi3b"))
    dtb = pi_without_pl011(tmp_path / "pi.dtb")
    second_line = ("-serial", "null")  # before the console's: the machine's PL011
    with workshop.session(here, dtb=dtb, extra=second_line, log="mini.log") as session:
        assert session.welcome.description.startswith("Example board, 4 x Cortex-A53")
        assert_same_bits(session, on_the_host)
