"""An image in QEMU, started halted so that no byte of its console is lost."""

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from harness.board import Board
from harness.boot.cores_at import cores_at
from harness.boot.process import QUIT_S, Process
from harness.boot.qmp import Qmp, QmpError
from harness.boot.target import FdStream, Target
from harness.cores import cores
from harness.emulator import QEMU, QEMU_OLDEST, QEMU_PATH, emulators
from harness.errors import BootError, TargetError
from harness.link.console import TargetPanic
from harness.link.stream import timeout_scale

START_S = 30.0  # until QEMU's control socket answers
DIE_S = 1.0  # between the end of the control socket and QEMU's own
INSTALL_HINT = "apt install qemu-system-arm (it holds qemu-system-aarch64)"


class BootImage(Protocol):
    """What harness/image makes."""

    @property
    def kernel8(self) -> Path:
        """The flat kernel image."""
        ...

    @property
    def blob(self) -> Path | None:
        """The weights, when they travel as initrd; None when they are part of the image."""
        ...


# Models of Armv7 and older that QEMU knows too: the kernel would hang on them without a word.
ARM_32_BIT = re.compile(r"(cortex-(a[789]|a15|[mr]\d+f?)|arm\d.*|sa1\d+|pxa\d.*|ti925t)$")


def qemu_command(
    qemu: str,
    image: BootImage,
    board: Board,
    *,
    cpu: str | None = None,
    ram_bytes: int | None = None,
    n_cores: int = 1,
    icount: bool = False,
    dtb: Path | None = None,
    extra: Sequence[str] = (),
) -> tuple[str, ...]:
    """The machine, without the channels to it.

    icount: an instruction takes 1 ns of virtual time, so instructions = ticks * 1e9 / ticks_per_s.
    dtb: a device tree, for machines that QEMU makes none for.
    """
    if ram_bytes is not None and not board.fixed_machine:
        board = board.with_ram(ram_bytes)
    command = [qemu, *_machine(board, cpu, n_cores), *_memory(image.blob, board)]
    command += ["-kernel", str(image.kernel8)]
    if dtb is not None:
        command += ["-dtb", str(dtb)]
    command += ["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
    if board.fixed_machine:
        n_cores = board.cpus.count
    if n_cores > 1:
        # A core at a barrier waits for one that the host may not be running: for a whole time slice
        # of the host, unless QEMU goes round all cores itself.
        alone = n_cores < cores()
        thread = "multi" if alone and not icount else "single"
        command += ["-accel", f"tcg,thread={thread}"]
    if icount:
        command += ["-icount", "shift=0,sleep=off"]
    return (*command, *board.qemu, *extra)


def _machine(board: Board, cpu: str | None, n_cores: int) -> tuple[str, ...]:
    """Board, CPU and cores; BootError for what QEMU has no machine for."""
    if not board.machine:
        raise BootError(
            f"QEMU has no machine for {board.name}",
            hint="boot the image on the board itself, or build it for virt-el2 or raspi3b",
        )
    if board.fixed_machine:
        for what, wanted, has in (
            ("CPU", cpu or board.cpu_default, board.cpu_default),
            ("number of cores", n_cores if n_cores > 1 else board.cpus.count, board.cpus.count),
        ):
            if wanted != has:
                raise BootError(
                    f"{board.name} with {what} {wanted}: QEMU's machine has {has}",
                    hint="leave the option out, or take --board virt",
                )
        return ("-M", board.machine)
    cpu = cpu or board.cpu_default
    if ARM_32_BIT.match(cpu):
        raise BootError(
            f"{cpu} is a 32-bit CPU, the kernel needs AArch64",
            hint="--cpu cortex-a53, cortex-a72, cortex-a76 or max",
        )
    smp = ("-smp", str(n_cores)) if n_cores > 1 else ()
    return ("-M", board.machine, "-cpu", cpu, *smp)


def _memory(blob: Path | None, board: Board) -> tuple[str, ...]:
    """RAM, and the blob in it."""
    size_bytes = blob.stat().st_size if blob else 0
    if blob and board.maps_blob(size_bytes):
        return _mapped(blob, size_bytes, board)
    ram = () if board.fixed_machine else ("-m", f"{board.ram_size_bytes >> 10}K")
    return (*ram, "-initrd", str(blob)) if blob else ram


def _mapped(blob: Path, size_bytes: int, board: Board) -> tuple[str, ...]:
    """RAM whose upper end is the file itself: nothing is read ahead, copied, or written back.

    Two NUMA nodes, because QEMU makes RAM out of several pieces for no other reason. The kernel is
    told the place by a kernel parameter of Linux: without -initrd QEMU writes no address of one.
    """
    base = board.mapped_blob_base(size_bytes)
    below = base - board.ram_base
    if below <= 0:
        raise BootError(
            f"{blob} has {size_bytes} bytes, {board.name} has {board.ram_size_bytes} bytes of RAM",
            hint="more RAM: --ram",
        )
    path = str(blob).replace(",", ",,")  # QEMU's option syntax
    file = f"memory-backend-file,id=blob,size={size_bytes},share=off,mem-path={path}"
    return (
        *("-m", f"{below + size_bytes >> 10}K"),
        *("-object", f"memory-backend-ram,id=below,size={below}", "-object", file),
        *("-numa", "node,memdev=below", "-numa", "node,memdev=blob"),
        *("-append", f"initrdmem={base:#x},{size_bytes:#x}"),
    )


@contextmanager
def boot(
    image: BootImage,
    board: Board,
    *,
    cpu: str | None = None,
    ram_bytes: int | None = None,
    n_cores: int = 1,
    icount: bool = False,
    dtb: Path | None = None,
    log: Path,
    extra: Sequence[str] = (),
) -> Iterator[Target]:
    """A running machine; gone when the context is left, however that happens.

    `log` receives the raw console. BootError when QEMU cannot be started. QEMU is tied to the
    calling thread: it is killed when that ends.
    """
    qemu = find_qemu(board)
    for path, hint in (
        (image.kernel8, "build the image first"),
        (image.blob, "build the image first"),
        (dtb, "name the file of a device tree"),
    ):
        if path is not None and not path.is_file():
            raise BootError(f"{path} is not there", hint=hint)
    command = qemu_command(
        qemu,
        image,
        board,
        cpu=cpu,
        ram_bytes=ram_bytes,
        n_cores=n_cores,
        icount=icount,
        dtb=dtb,
        extra=extra,
    )
    with boot_command(command, log) as target:
        yield target


@contextmanager
def boot_command(command: Sequence[str], log: Path) -> Iterator[Target]:
    """As boot(): a machine with a command line of its own, but for the channels to it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        process, control, console = _start(command, log, stack)
        stream = FdStream(console, console, lambda: process.describe_end("QEMU"))
        stack.callback(stream.close)
        try:
            qmp = Qmp(control, timeout_s=START_S * timeout_scale())
            stack.callback(_quit, qmp, process)
            qmp.execute("cont")
        except QmpError as exc:
            silent = process.wait(DIE_S) is None
            raise BootError(
                f"QEMU did not start: {exc if silent else process.describe_end('it')}",
                hint="the command was: " + " ".join(command),
            ) from exc
        try:
            yield Target(stream, process.command)
        except TargetPanic:
            raise
        except TargetError as error:  # never a timeout only, as long as QEMU is there to be asked
            with suppress(QmpError):
                error.cores = cores_at(qmp)
            raise


def find_qemu(board: Board | None = None) -> str:
    """Path of a QEMU that is new enough, for a board if one is given, or BootError.

    The first on PATH; for a board whose machine that lacks, the first of HARNESS_QEMU_PATH with it.
    """
    paths = emulators()
    if not paths:
        raise BootError(f"{QEMU} is not installed (looked in PATH)", hint=INSTALL_HINT)
    first = _version(paths[0])
    if board is None or first >= board.qemu_first:
        return paths[0]
    for path in paths[1:]:
        if _version(path) >= board.qemu_first:
            return path
    raise BootError(
        f"{paths[0]} is version {first[0]}.{first[1]}, "
        f"its first with the machine {board.machine} is {board.qemu_oldest}",
        hint="on Debian 12: toolchain/newer_qemu.sh build/qemu, "
        f"then export {QEMU_PATH}=$PWD/build/qemu",
    )


def _version(qemu: str) -> tuple[int, int]:
    """Major and minor; BootError when it is too old for every board, or none."""
    try:
        done = subprocess.run(
            [qemu, "--version"], capture_output=True, timeout=START_S * timeout_scale(), check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BootError(f"{qemu} --version does not run: {exc}", hint=INSTALL_HINT) from exc
    text = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    match = re.search(r"version (\d+)\.(\d+)", text)
    if done.returncode != 0 or match is None:
        raise BootError(
            f"{qemu} --version ends with status {done.returncode}: {text}", hint=INSTALL_HINT
        )
    version = int(match[1]), int(match[2])
    if version < QEMU_OLDEST:
        raise BootError(
            f"{qemu} is version {version[0]}.{version[1]}, "
            f"needed is {QEMU_OLDEST[0]}.{QEMU_OLDEST[1]}",
            hint=INSTALL_HINT + ", from Debian 12 or Ubuntu 23.04 on",
        )
    return version


def _start(
    command: Sequence[str], log: Path, stack: ExitStack
) -> tuple[Process, socket.socket, int]:
    """QEMU, its control socket and its console's descriptor.

    It inherits socket pairs: no path in a file system, nothing to wait for or to clean up.
    """
    control, qemu_control = socket.socketpair()
    console, qemu_console = socket.socketpair()
    stack.callback(control.close)
    stack.callback(console.close)  # nothing is left to close once it is detached
    with qemu_control, qemu_console:
        fds = (qemu_control.fileno(), qemu_console.fileno())
        escaped_log = str(log).replace(",", ",,")  # QEMU's option syntax
        channels = ["-S", "-chardev", f"socket,id=control,fd={fds[0]}"]
        channels += ["-mon", "chardev=control,mode=control"]
        channels += ["-chardev", f"socket,id=console,fd={fds[1]},logfile={escaped_log}"]
        channels += ["-serial", "chardev:console"]
        process = Process([*command, *channels], pass_fds=fds)
    stack.callback(process.stop)
    return process, control, console.detach()


def _quit(qmp: Qmp, process: Process) -> None:
    """Let QEMU end in order, so that its log is complete."""
    try:
        if process.wait(0) is None:
            qmp.execute("quit")
            process.wait(QUIT_S)
    except QmpError:
        pass  # it is going already; process.stop follows
    finally:
        qmp.close()
