"""What goes wrong on a target: each gives its sentence or recovers, and nothing hangs."""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.boot import boot
from harness.boot.target import FdStream
from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.target import running
from harness.compile import symbolise_report
from harness.errors import BootError, LinkError, TargetError
from harness.image import Image
from harness.link.console import TargetPanic
from harness.link.prompt import Prompt
from harness.link.session import Session
from tests.harness.link.faulty import FaultyStream
from tests.target.machine import Workshop, greedy, qemu_pids

pytestmark = pytest.mark.target

BLOB_OFFSET = 256 * 1024  # the appended blob follows the kernel's budget


@pytest.fixture(scope="module")
def built(workshop: Workshop, tiny_q4_k_m: Path) -> Built:
    return workshop.image(tiny_q4_k_m)


def panic_of(workshop: Workshop, built: Built, image: Image) -> str:
    """The report of an image that must not boot."""
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(replace(built, image=image)),
    ):
        pass
    return panic.value.report


def with_bytes(image: Image, path: Path, offset: int, data: bytes) -> Image:
    """A copy of an image with some bytes replaced."""
    shutil.copy(image.kernel8, path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return replace(image, kernel8=path)


def test_a_flipped_weight_byte_is_found_by_the_crc(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    image = with_bytes(built.image, tmp_path / "kernel8.img", BLOB_OFFSET + 5000, b"\x5a\xa5")
    assert "CRC" in panic_of(workshop, built, image).upper()


def test_a_truncated_blob_is_refused(workshop: Workshop, built: Built, tmp_path: Path) -> None:
    path = tmp_path / "kernel8.img"
    shutil.copy(built.image.kernel8, path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096)
    assert "CRC" in panic_of(workshop, built, replace(built.image, kernel8=path)).upper()


def test_a_blob_of_another_build_is_refused_with_both_ids(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    header = bytearray(built.image.kernel8.read_bytes()[BLOB_OFFSET : BLOB_OFFSET + 64])
    other = built.image.build_id ^ 0xFFFF
    struct.pack_into("<Q", header, 16, other)
    struct.pack_into("<I", header, 36, zlib.crc32(bytes(header[:36])))
    image = with_bytes(built.image, tmp_path / "kernel8.img", BLOB_OFFSET, bytes(header))
    report = panic_of(workshop, built, image)
    assert f"{other:x}" in report
    assert f"{built.image.build_id:x}" in report


def test_a_machine_with_too_little_ram_is_refused_before_it_runs(
    workshop: Workshop, built: Built
) -> None:
    with (
        pytest.raises(BootError, match=r"kernel size \d+, RAM size 3145728"),
        workshop.session(built, ram_bytes=3 << 20),
    ):
        pass


def test_an_image_that_finds_too_little_ram_says_both_numbers(built: Built) -> None:
    ram_end = built.board.ram_base + (512 << 20)
    place = ram_end - (512 << 10)  # half a MiB of RAM is left for the plan
    command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "512M"]
    command += ["-display", "none", "-nic", "none", "-monitor", "none", "-serial", "stdio"]
    command += ["-device", f"loader,file={built.image.kernel8},addr={place:#x},force-raw=on"]
    command += ["-device", f"loader,addr={place:#x},cpu-num=0"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        report = b""
        while b"END PANIC" not in report:
            byte = process.stdout.read(1)
            assert byte, report
            report += byte
        text = report.decode("utf-8", "replace")
        assert "PANIC cpu=0" in text
        assert f"{ram_end:x}" in text
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rate", "n_predict", "want_logits"), [(0.004, 24, False), (0.0005, 6, True)]
)
def test_a_noisy_line_loses_nothing(
    workshop: Workshop, built: Built, rate: float, n_predict: int, want_logits: bool
) -> None:
    params = greedy(n_predict, ignore_eog=True)
    clean = workshop.answer(built, "Hello there", params)
    with boot(built.image, built.board, log=built.directory / "noisy.log") as target:
        noisy = FaultyStream(target.stream, rate, seed=3)
        session = Session(noisy)
        session.connect(expected_build_id=built.image.build_id)
        answer = session.generate("Hello there", params, want_logits=want_logits)
        assert noisy.noise_in.faults + noisy.noise_out.faults > 10
    assert answer.ids == clean.ids
    if want_logits:
        assert answer.logits is not None
        assert clean.logits is not None
        assert answer.logits.tobytes() == clean.logits.tobytes()


def test_a_byte_before_the_uart_is_set_up_does_not_deafen_it(
    workshop: Workshop, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EarlyStream(FdStream):
        """Writes while QEMU is still halted: its UART takes the byte with the FIFOs off."""

        def __init__(self, read_fd: int, write_fd: int, describe_end: Callable[[], str]) -> None:
            super().__init__(read_fd, write_fd, describe_end)
            self.write(b"\0")

    monkeypatch.setattr("harness.boot.qemu.FdStream", EarlyStream)
    # With icount QEMU's main loop has no timer of its own that would listen again by accident.
    with workshop.session(built, icount=True) as session:
        assert session.tokenize("still here")


def test_a_prompt_longer_than_the_context_names_both_numbers(
    workshop: Workshop, built: Built
) -> None:
    with workshop.session(built) as session:
        with pytest.raises(LinkError, match="600") as error:
            session.generate(Prompt.of_ids([5] * 600), greedy(1))
        assert "512" in str(error.value)
        assert "--ctx" in error.value.hint
        session.generate("still here", greedy(2))  # the session goes on


def test_invalid_utf_8_is_text_like_any_other(workshop: Workshop, built: Built) -> None:
    with workshop.session(built) as session:
        ids = session.tokenize(Prompt.of_text(b"ab\xff\xfe\x80cd\xe2\x96"))
        assert ids
        session.generate(Prompt.of_ids(ids), greedy(4))


def test_a_killed_qemu_is_reported_with_its_signal(workshop: Workshop, built: Built) -> None:
    log = built.directory / "killed.log"
    with boot(built.image, built.board, log=log) as target:
        session = Session(target.stream)
        session.connect()
        (pid,) = qemu_pids(log)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(TargetError, match="QEMU"):
            session.generate("Hello", greedy(4))


def test_the_kernel_s_exception_report_has_names_and_place(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    udf = b"\x00\x00\x00\x00"  # UDF #0, permanently undefined
    offset = _symbol_offset(built, "rmsnorm_neon")
    image = with_bytes(built.image, tmp_path / "kernel8.img", offset, udf)
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(replace(built, image=image)) as session,
    ):
        session.generate("Hello", greedy(4))
    report = symbolise_report(built.elf, panic.value.report)
    for word in ("PANIC cpu=0", "ESR", "ELR", "FAR", "rmsnorm_neon", "kernel_main", "layer"):
        assert word in report, report


def test_a_stack_overflow_hits_the_guard_page_and_is_reported(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    push_forever = bytes.fromhex("fd7bbfa9" + "ffffff17")  # stp x29, x30, [sp, #-16]!; b .-4
    offset = _symbol_offset(built, "rmsnorm_neon")
    image = with_bytes(built.image, tmp_path / "kernel8.img", offset, push_forever)
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(replace(built, image=image)) as session,
    ):
        session.generate("Hello", greedy(4))
    assert "stack" in panic.value.report.lower()


def test_a_kernel_that_hangs_is_found_where_it_hangs(
    workshop: Workshop, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = b"\x00\x00\x00\x14"  # b .
    offset = _symbol_offset(built, "rmsnorm_neon")
    hanging = replace(built, image=with_bytes(built.image, tmp_path / "kernel8.img", offset, here))
    monkeypatch.setattr("harness.cli.target.Session", partial(Session, timeout_s=6.0))
    options = TargetOptions(cpu=None, ram_bytes=None, icount=False, twin=False, n_cores=2)
    with (
        pytest.raises(TargetError, match="no byte from the target") as error,
        running(hanging, options) as session,
    ):
        session.generate("Hello", greedy(4))
    said = str(error.value)
    assert re.search(r"core 0 is at 0x\w+ <rmsnorm_neon\+0x0>, called from 0x\w+ <\w+", said), said
    assert re.search(r"core 1 is at 0x\w+ <\w+\+0x", said), said


def test_no_qemu_outlives_a_killed_harness(built: Built) -> None:
    log = built.directory / "orphan.log"
    code = (
        "import sys, time\n"
        "from harness.boot import boot\n"
        "from harness.board import load_board\n"
        "from harness.image import Image\n"
        "from pathlib import Path\n"
        f"image = Image(Path({str(built.image.kernel8)!r}), None, {built.image.build_id})\n"
        f"with boot(image, load_board('virt'), log=Path({str(log)!r})):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    (qemu,) = qemu_pids(log)
    process.kill()
    process.wait()
    process.stdout.close()
    _wait_until_gone(qemu)


def _symbol_offset(built: Built, name: str) -> int:
    with built.elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = table.get_symbol_by_name(name)
        assert symbols
        return int(symbols[0]["st_value"]) - built.board.load_address


def _wait_until_gone(pid: int) -> None:
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")
