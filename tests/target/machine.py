"""Build a model's image once per session and ask it things, in QEMU or on the host twin."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.board import Board, load_board
from harness.boot import boot, boot_twin
from harness.boot.qemu import find_qemu
from harness.cli.options import BuildOptions
from harness.cli.pipeline import Built, build
from harness.compile import compile_twin
from harness.errors import BootError
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.plan import KvType

CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "max")
GREEDY = SamplingParams(temp=0.0)


def greedy(n_predict: int, *, ignore_eog: bool = False) -> SamplingParams:
    """The most likely token each time, n_predict times."""
    return SamplingParams(n_predict=n_predict, temp=0.0, ignore_eog=ignore_eog)


@dataclass
class Workshop:
    """Images of a test session, by what they were made from."""

    out: Path
    _built: dict[object, Built] = field(default_factory=dict)
    _twins: dict[Path, Path] = field(default_factory=dict)

    def image(
        self,
        model: Path,
        *,
        board: str = "virt",
        n_ctx: int | None = 512,
        kv_type: KvType | None = None,
        ram_bytes: int | None = None,
        cc: str | None = None,
        append: bool = True,
    ) -> Built:
        """The image of a model; made the first time it is asked for.

        append: as the planner likes it; else model.blob travels by itself, however small it is.
        """
        key = (model, board, n_ctx, kv_type, ram_bytes, cc, append)
        if key not in self._built:
            out = self.out / f"image{len(self._built)}"
            options = BuildOptions(
                model=model,
                board=board,
                n_ctx=n_ctx,
                kv_type=kv_type,
                ram_bytes=ram_bytes,
                cc=cc,
                out=out,
            )
            with pytest.MonkeyPatch.context() as patch:
                if not append:
                    patch.setattr("harness.plan.planner.APPEND_LIMIT", 0)
                self._built[key] = build(options)
        return self._built[key]

    def twin(self, built: Built) -> Path:
        """The host program of an image, with sanitizers."""
        directory = built.directory
        if directory not in self._twins:
            self._twins[directory] = compile_twin(directory, directory / "twin", sanitize=True)
        return self._twins[directory]

    @contextmanager
    def session(
        self,
        built: Built,
        *,
        cpu: str | None = None,
        ram_bytes: int | None = None,
        n_cores: int = 1,
        icount: bool = False,
        dtb: Path | None = None,
        extra: Sequence[str] = (),
        log: str = "console.log",
    ) -> Iterator[Session]:
        """A booted image with a connected session; cpu "twin" is the host program."""
        if cpu == "twin":
            blob = built.directory / "model.blob"
            context = boot_twin(self.twin(built), blob, n_cores=n_cores)
        else:
            context = boot(
                built.image,
                built.board,
                cpu=cpu,
                ram_bytes=ram_bytes or built.ram_bytes,
                n_cores=n_cores,
                icount=icount,
                dtb=dtb,
                extra=extra,
                log=built.directory / log,
            )
        with context as target:
            session = Session(target.stream)
            session.connect(expected_build_id=built.image.build_id)
            yield session
            session.poweroff()

    def answer(
        self,
        built: Built,
        prompt: Prompt | str | list[int],
        params: SamplingParams,
        *,
        cpu: str | None = None,
        want_logits: bool = True,
        n_cores: int = 1,
        icount: bool = False,
    ) -> Generation:
        """Boot, generate, power off."""
        with self.session(built, cpu=cpu, n_cores=n_cores, icount=icount) as session:
            return session.generate(prompt, params, want_logits=want_logits)


def qemu_pids(log: Path) -> list[int]:
    """The running QEMUs that write this console log, whoever started them."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = cmdline.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if any(word.endswith(f",logfile={log}".encode()) for word in words):
            found.append(int(cmdline.parent.name))
    return found


def dumped_tree(board: Board, path: Path, *, n_cores: int = 1) -> Path:
    """The device tree that QEMU makes for a machine of its own, as a file."""
    command = [find_qemu(board), "-M", f"{board.machine},dumpdtb={path}"]
    command += ["-cpu", board.cpu_default, "-smp", str(n_cores), "-display", "none", "-nic", "none"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / 100  # utime, stime; USER_HZ is 100 on every Linux


def needs_board(name: str) -> Board:
    """A board definition; skips where this QEMU has no machine for it."""
    board = load_board(name)
    try:
        find_qemu(board)
    except BootError as error:
        pytest.skip(str(error))
    return board


def needs_qemu() -> None:
    """Skip where no machine can be emulated."""
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("qemu-system-aarch64 is not installed")
