"""harness/boot/qemu.py: real machines, and a QEMU that is missing, broken, old or killed."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.board import Board, load_board
from harness.boot.qemu import boot, find_qemu, qemu_command
from harness.boot.target import Target
from harness.emulator import QEMU, QEMU_PATH
from harness.errors import BootError, TargetError
from harness.link.session import Session
from harness.link.stream import StreamEnded
from tests.harness.boot.test_process import ROOT, wait_until_gone

needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")


@dataclass(frozen=True)
class Image:
    kernel8: Path
    blob: Path | None = None


def flat_image(text: bytes, *, poweroff: bool) -> bytes:
    """AArch64: write text to the PL011; then PSCI SYSTEM_OFF, or sleep."""
    code = [0xD2A12000]  # mov x0, #0x09000000
    for byte in text:
        code += [0x52800001 | byte << 5, 0xB9000001]  # mov w1, #byte; str w1, [x0]
    if poweroff:
        code += [0x52B08000, 0x72800100, 0xD4000002]  # mov w0, #0x84000008; hvc #0
    code += [0xD503205F, 0x17FFFFFF]  # wfe; b . - 4
    return struct.pack(f"<{len(code)}I", *code)


@pytest.fixture
def board() -> Board:
    return load_board("virt")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    path = tmp_path / "kernel8.img"
    path.write_bytes(flat_image(b"Hi\n", poweroff=False))
    return Image(path)


@pytest.fixture
def fake_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in QEMU's place; it knows its version unless `body` says otherwise."""
    directory = tmp_path / "bin"

    def install(body: str, version: str = "7.2.0", directory: Path = directory) -> None:
        directory.mkdir()
        script = directory / QEMU
        script.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = --version ] && echo "QEMU emulator version {version}" && exit\n{body}\n'
        )
        script.chmod(0o755)

    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")
    monkeypatch.delenv(QEMU_PATH, raising=False)
    return install


def read_until(target: Target, wanted: bytes) -> bytes:
    data = b""
    deadline = time.monotonic() + 30
    while wanted not in data and time.monotonic() < deadline:
        data += target.stream.read(1.0)
    return data


def pid_of(command_part: str) -> int:
    """The QEMU whose command line holds this part (a path of this test)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if command_part.encode() in command and QEMU.encode() in command[0]:
                return int(entry.name)
    raise AssertionError("QEMU is not running")


def test_the_command_holds_machine_memory_and_image(board: Board, tmp_path: Path) -> None:
    blob = tmp_path / "b"
    blob.write_bytes(b"blob")
    command = qemu_command(
        "qemu", Image(Path("k"), blob), board, cpu="max", ram_bytes=1 << 30, icount=True
    )
    line = " ".join(command)
    memory = f"-m 1048576K -initrd {blob} -kernel k "
    assert line.startswith(f"qemu -M {board.machine} -cpu max {memory}")
    for words in ("-display none", "-nic none", "-no-reboot", "-icount shift=0,sleep=off"):
        assert words in line
    assert "-icount" not in qemu_command("qemu", Image(Path("k")), board)
    assert "-initrd" not in qemu_command("qemu", Image(Path("k")), board)


def test_a_blob_too_large_for_an_initrd_is_mapped_as_the_end_of_ram(
    board: Board, tmp_path: Path
) -> None:
    blob = tmp_path / "b,c"
    with blob.open("wb") as file:
        file.truncate(5_000_003_584)  # a hole: no bytes on the disk
    line = " ".join(qemu_command("qemu", Image(Path("k"), blob), board, ram_bytes=8 << 30))
    base = 0x1_15E0_0000  # 8 GiB behind 0x40000000, less the blob, on a 2 MiB boundary
    below = base - 0x4000_0000
    assert f"-m {(below + 5_000_003_584) // 1024}K " in line
    assert f"memory-backend-ram,id=below,size={below} " in line
    assert f"size=5000003584,share=off,mem-path={tmp_path}/b,,c " in line
    assert f"-append initrdmem={base:#x},0x12a060000 " in line
    assert "-initrd" not in line
    with pytest.raises(BootError, match="5000003584 bytes, virt has 4294967296 bytes of RAM"):
        qemu_command("qemu", Image(Path("k"), blob), board, ram_bytes=4 << 30)


@pytest.mark.parametrize(
    ("host_cpus", "icount", "thread"),
    [(2, False, "single"), (3, False, "multi"), (3, True, "single")],
)
def test_cores_that_the_host_cannot_run_at_once_go_in_one_thread(
    board: Board, monkeypatch: pytest.MonkeyPatch, host_cpus: int, icount: bool, thread: str
) -> None:
    monkeypatch.setattr("harness.boot.qemu.cores", lambda: host_cpus)
    command = qemu_command("qemu", Image(Path("k")), board, n_cores=2, icount=icount)
    assert "-smp 2" in " ".join(command)
    assert f"-accel tcg,thread={thread}" in " ".join(command)
    assert "-smp" not in qemu_command("qemu", Image(Path("k")), board)


def test_a_machine_that_is_what_it_is_gets_no_options_for_it(tmp_path: Path) -> None:
    pi3 = load_board("raspi3b")
    blob = tmp_path / "b"
    blob.write_bytes(b"blob")
    command = qemu_command("qemu", Image(Path("k"), blob), pi3, dtb=Path("t"), n_cores=4)
    words = ("-initrd", str(blob), "-kernel", "k", "-dtb", "t")
    assert command[:9] == ("qemu", "-M", "raspi3b", *words)
    for option in ("-m", "-smp", "-cpu", "-append"):
        assert option not in command
    with pytest.raises(BootError, match="raspi3b with CPU max: QEMU's machine has cortex-a53"):
        qemu_command("qemu", Image(Path("k")), pi3, cpu="max")
    with pytest.raises(BootError, match="number of cores 2: QEMU's machine has 4"):
        qemu_command("qemu", Image(Path("k")), pi3, n_cores=2)


@pytest.mark.parametrize("name", ["pi5", "pi-zero-2w", "rk3588"])
def test_a_board_without_a_machine_says_where_its_image_runs(name: str) -> None:
    with pytest.raises(BootError, match=f"QEMU has no machine for {name}") as error:
        qemu_command("qemu", Image(Path("k")), load_board(name))
    assert "raspi3b" in error.value.hint


def test_a_machine_that_this_qemu_is_too_old_for_is_refused(
    image: Image, tmp_path: Path, fake_qemu: Callable[[str, str], None]
) -> None:
    fake_qemu("exit 1", "7.2.22 (Debian)")
    context = boot(image, load_board("raspi4b"), log=tmp_path / "log")
    with pytest.raises(
        BootError, match=r"version 7\.2, its first with the machine raspi4b is 9\.0"
    ) as error:
        context.__enter__()
    assert f"export {QEMU_PATH}=" in error.value.hint


def test_a_machine_that_the_first_qemu_lacks_is_looked_for_in_the_others(
    tmp_path: Path,
    fake_qemu: Callable[[str, str, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, version in (("bin", "7.2.22"), ("old", "8.2.0"), ("new", "10.0.2")):
        fake_qemu("exit 1", version, tmp_path / name)
    monkeypatch.setenv(QEMU_PATH, f"{tmp_path}/none:{tmp_path}/old::{tmp_path}/new")
    assert find_qemu(load_board("raspi3b")) == str(tmp_path / "bin" / QEMU)
    assert find_qemu(load_board("raspi4b")) == str(tmp_path / "new" / QEMU)


def test_a_device_tree_that_is_missing_is_named(
    board: Board, image: Image, tmp_path: Path, fake_qemu: Callable[[str], None]
) -> None:
    fake_qemu("exit 1")
    context = boot(image, board, dtb=tmp_path / "none.dtb", log=tmp_path / "log")
    with pytest.raises(BootError, match=r"none\.dtb is not there"):
        context.__enter__()


def test_a_missing_qemu_names_the_package(
    board: Board, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(QEMU_PATH, raising=False)
    context = boot(image, board, log=tmp_path / "log")
    with pytest.raises(BootError, match=f"{QEMU} is not installed") as error:
        context.__enter__()
    assert "apt install qemu-system-arm" in error.value.hint


def test_a_missing_image_is_named(
    board: Board, tmp_path: Path, fake_qemu: Callable[[str], None]
) -> None:
    fake_qemu("exit 1")
    context = boot(Image(tmp_path / "none.img"), board, log=tmp_path / "log")
    with pytest.raises(BootError, match=r"none\.img is not there"):
        context.__enter__()


def test_an_old_qemu_is_refused_with_both_versions(
    board: Board, image: Image, tmp_path: Path, fake_qemu: Callable[[str, str], None]
) -> None:
    fake_qemu("exit 1", "6.2.0 (Debian 1:6.2+dfsg-2)")
    context = boot(image, board, log=tmp_path / "log")
    with pytest.raises(BootError, match=r"is version 6\.2, needed is 7\.2"):
        context.__enter__()


def test_a_qemu_that_dies_at_once_is_quoted(
    board: Board, image: Image, tmp_path: Path, fake_qemu: Callable[[str], None]
) -> None:
    fake_qemu("echo 'qemu: cannot set up guest memory' >&2; exit 1")
    context = boot(image, board, log=tmp_path / "log")
    with pytest.raises(BootError, match=r"exit status 1(?s:.*)cannot set up guest memory"):
        context.__enter__()


def test_a_qemu_that_cannot_be_started_leaves_no_descriptor(
    board: Board,
    image: Image,
    tmp_path: Path,
    fake_qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    fake_qemu("exit 1")
    monkeypatch.setattr("harness.boot.qemu.Process", no_process)
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 (numbers, not paths)
    context = boot(image, board, log=tmp_path / "log")
    with pytest.raises(BlockingIOError):
        context.__enter__()
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.slow
def test_a_qemu_that_never_answers_is_given_up(
    board: Board,
    image: Image,
    tmp_path: Path,
    fake_qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.boot.qemu.START_S", 0.5)
    fake_qemu("exec sleep 60")
    context = boot(image, board, log=tmp_path / "log")
    with pytest.raises(BootError, match="control socket is silent"):
        context.__enter__()


@pytest.mark.target
@needs_qemu
def test_the_whole_console_arrives_and_is_logged(
    board: Board, image: Image, tmp_path: Path
) -> None:
    log = tmp_path / "with,comma" / "console.log"
    with boot(image, board, log=log) as target:
        assert read_until(target, b"\n") == b"Hi\n"
        pid = pid_of(str(image.kernel8))
    assert wait_until_gone(pid)
    assert log.read_bytes() == b"Hi\n"


@pytest.mark.target
@needs_qemu
def test_power_off_ends_the_line_in_order(board: Board, image: Image, tmp_path: Path) -> None:
    image.kernel8.write_bytes(flat_image(b"bye\n", poweroff=True))
    with (
        boot(image, board, log=tmp_path / "log", icount=True) as target,
        pytest.raises(StreamEnded, match="QEMU ended with exit status 0"),
    ):
        read_until(target, b"never")
    assert (tmp_path / "log").read_bytes() == b"bye\n"


@pytest.mark.target
@needs_qemu
def test_a_killed_qemu_is_reported_with_the_last_lines(
    board: Board, image: Image, tmp_path: Path
) -> None:
    with boot(image, board, log=tmp_path / "log") as target:

        def kill_after_a_line(text: str) -> None:
            if "\n" in text:
                os.kill(pid_of(str(image.kernel8)), signal.SIGKILL)

        session = Session(target.stream, on_console=kill_after_a_line)
        with pytest.raises(TargetError) as error:
            session.connect()
    assert "QEMU was killed by signal 9 (SIGKILL)" in str(error.value)
    assert "last console lines:\nHi" in str(error.value)
    assert error.value.exit_code == 3


@pytest.mark.target
@needs_qemu
def test_an_unknown_cpu_is_qemu_s_own_error(board: Board, image: Image, tmp_path: Path) -> None:
    context = boot(image, board, cpu="z80", log=tmp_path / "log")
    with pytest.raises(BootError, match="z80") as error:
        context.__enter__()
    assert "-cpu z80" in error.value.hint


@pytest.mark.target
@needs_qemu
@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_an_exception(
    board: Board, image: Image, tmp_path: Path, exception: type[BaseException]
) -> None:
    pid = 0

    def interrupted() -> None:
        nonlocal pid
        with boot(image, board, log=tmp_path / "log"):
            pid = pid_of(str(image.kernel8))
            raise exception

    with pytest.raises(exception):
        interrupted()
    assert wait_until_gone(pid)


@pytest.mark.target
@needs_qemu
@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_nothing_is_left_when_the_harness_is_killed(image: Image, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from harness.board import load_board; from harness.boot import boot\n"
        "from tests.harness.boot.test_qemu import Image\n"
        "with boot(Image(Path(sys.argv[1])), load_board('virt'), log=Path(sys.argv[2])):\n"
        "    print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(image.kernel8), str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        pid = pid_of(str(image.kernel8))
        parent.kill()
    assert wait_until_gone(pid)
