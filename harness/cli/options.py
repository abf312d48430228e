"""The arguments that several verbs share, and what their values mean."""

import argparse
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.board import board_name
from harness.cli.serial_port import SerialPort, target_of
from harness.errors import HarnessError
from harness.link.messages import GenerateFlag, SamplingParams
from harness.plan import KvType
from harness.plan.buffers import MAX_CORES

SIZE = re.compile(r"(\d+)([KMG]?)(i?B)?", re.I)
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
UNLIMITED = (1 << 32) - 1
FLOAT32_MAX = 3.4028234e38
DRAFT_MAX = 8  # as many as any image has rows of logits for
DEFAULT_BOARD = "virt"
DEFAULT_KV: KvType = "f16"
TIERS = {  # the newest is no limit
    "neon": GenerateFlag.TIER_NEON,
    "dotprod": GenerateFlag.TIER_DOTPROD,
    "i8mm": GenerateFlag(0),
}


@dataclass(frozen=True)
class BuildOptions:
    """Everything that decides what an image is."""

    model: Path | None
    board: str | None  # None: DEFAULT_BOARD
    n_ctx: int | None
    kv_type: KvType | None  # None: DEFAULT_KV
    ram_bytes: int | None
    cc: str | None
    out: Path
    cpu: str | None = None  # what `run` on the image directory emulates unless told otherwise


@dataclass(frozen=True)
class TargetOptions:
    """Everything that decides how an image is started."""

    cpu: str | None
    ram_bytes: int | None
    icount: bool
    twin: bool
    n_cores: int = 1
    tier: str | None = None  # None: all that the CPU has
    dtb: Path | None = None  # None: QEMU's own device tree, or none
    serial: SerialPort | None = None  # a board that is there already; nothing is started

    @property
    def clock(self) -> str:
        """What the times of an answer are times of."""
        if self.serial is not None:
            return "the board's"
        if self.twin:
            return "this host's"
        if self.icount:
            return "one nanosecond per guest instruction"
        return "an emulated CPU's on this host, not a board's"


def add_model(parser: argparse.ArgumentParser, *, image_dir: bool = False) -> None:
    """-m: a model, and where it makes sense a directory that `build` made."""
    what = "GGUF file, or a directory made by build" if image_dir else "GGUF file"
    parser.add_argument("-m", "--model", type=Path, metavar="MODEL.gguf", help=what)


def add_build(parser: argparse.ArgumentParser) -> None:
    """What to build, and for what."""
    group = parser.add_argument_group("image")
    group.add_argument(
        "--board", help=f"a file in images/boards, or pi3, pi4 (default: {DEFAULT_BOARD})"
    )
    group.add_argument("-c", "--ctx", type=positive, metavar="N", help="context size in tokens")
    group.add_argument(
        "--kv", choices=get_args(KvType), help=f"KV cache type (default: {DEFAULT_KV})"
    )
    group.add_argument("--ram", type=size_bytes, metavar="SIZE", help="RAM of the board, e.g. 2G")
    group.add_argument("--cc", metavar="PATH", help="compiler (default: the newest clang found)")
    group.add_argument(
        "-o", "--out", type=Path, default=Path("build"), metavar="DIR",
        help="root of the artefacts, DIR/<board>/<model>/ (default: build)",
    )  # fmt: skip


def add_cpu(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """The CPU that the image is started on."""
    group = parser.add_argument_group("target")
    group.add_argument("--cpu", help="QEMU's CPU model (default: the board's)")
    return group


def add_machine(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """What the image is started on."""
    group = add_cpu(parser)
    group.add_argument(
        "--smp", type=int, default=1, metavar="N", help=f"cores, 1 to {MAX_CORES} (default: 1)"
    )
    return group


def add_target(parser: argparse.ArgumentParser) -> None:
    """How to start the image."""
    group = add_machine(parser)
    group.add_argument(
        "--icount", action="store_true", help="count guest instructions (QEMU -icount shift=0)"
    )
    group.add_argument(
        "--tier", choices=tuple(TIERS),
        help="use no newer instructions than these (default: all that the CPU has)",
    )  # fmt: skip
    group.add_argument(
        "--dtb", type=Path, metavar="FILE",
        help="device tree for QEMU's machine (default: its own; a Pi's machine has none)",
    )  # fmt: skip
    add_where(group)


def add_where(group: "argparse._ArgumentGroup") -> None:
    """--target: QEMU, or a board that is there already."""
    group.add_argument(
        "--target", type=target_of, default="qemu", metavar="WHERE",
        help="qemu (default), or a board on a serial line: serial:/dev/ttyUSB0[@BAUD] (default: "
        "115200 baud) talks to the kernel that runs there; with ,chainload[=BAUD] behind it the "
        "kernel is sent first, to the loader of `build --loader`",
    )  # fmt: skip


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """What to say to the model."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-p", "--prompt", metavar="TEXT", help="the prompt; - reads it from stdin")
    group.add_argument("-f", "--file", type=Path, metavar="FILE", help="a file with the prompt")
    group.add_argument(
        "--prompt-ids", type=token_ids, metavar="1,2,3", help="token ids instead of text"
    )


def add_template(parser: argparse.ArgumentParser) -> None:
    """Whether and how the model's chat template is used."""
    group = parser.add_argument_group("conversation")
    group.add_argument(
        "--raw", "-no-cnv", "--no-conversation", action="store_true",
        help="text goes to the model as it is: no chat template",
    )  # fmt: skip
    group.add_argument(
        "-sys", "--system", metavar="TEXT",
        help="the system turn; '' = none (default: the machine's facts, if the model knows them)",
    )  # fmt: skip


def add_sampling(
    parser: argparse.ArgumentParser,
    *,
    n_predict: int = 128,
    temp: float = SamplingParams.temp,
) -> None:
    """How tokens are chosen; llama.cpp's names and defaults."""
    default = SamplingParams()
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "-n", "--n-predict", type=n_predict_count, default=n_predict, metavar="N",
        help=f"tokens to generate, -1 = until the context is full (default: {n_predict})",
    )  # fmt: skip
    for flag, kind, value, summary in (
        ("--temp", finite, temp, "temperature, below 0.001 = greedy"),
        ("--top-k", int32, default.top_k, "keep the k most probable, 0 = all"),
        ("--top-p", finite, default.top_p, "keep the most probable up to this sum"),
        ("--min-p", finite, default.min_p, "drop those below this share of the best"),
        ("--repeat-penalty", penalty, default.repeat_penalty, "1 = off"),
        ("--repeat-last-n", int32, default.repeat_last_n, "tokens that are penalised, -1 = all"),
        ("--seed", seed_number, -1, "-1 = random, and reported"),
    ):
        group.add_argument(
            flag, type=kind, default=value, metavar="X", help=f"{summary} (default: {value:g})"
        )
    group.add_argument(
        "--spec-type", choices=("none", "ngram-simple"), default="none",
        help="ngram-simple: guess that the text goes on as after the last occurrence of its end, "
        "compute several tokens at once; the answer is the same (default: none)",
    )  # fmt: skip
    group.add_argument(
        "--draft-max", type=positive, default=DRAFT_MAX, metavar="N",
        help=f"tokens to guess at most (default: {DRAFT_MAX}; the image may hold fewer)",
    )  # fmt: skip
    group.add_argument("--ignore-eos", action="store_true", help="go on after an end of sequence")


def build_options(args: argparse.Namespace) -> BuildOptions:
    """The image part of the arguments."""
    return BuildOptions(
        model=args.model,
        board=board_name(args.board) if args.board else None,
        n_ctx=args.ctx,
        kv_type=args.kv,
        ram_bytes=args.ram,
        cc=args.cc,
        out=Path(args.out),
        cpu=getattr(args, "cpu", None),  # `symbols` starts nothing
    )


def target_options(args: argparse.Namespace) -> TargetOptions:
    """The target part of the arguments."""
    serial = args.target if isinstance(args.target, SerialPort) else None
    if serial is not None:
        _refuse_machine(args)
    return TargetOptions(
        cpu=args.cpu,
        ram_bytes=args.ram,
        icount=args.icount,
        twin=args.target == "twin",
        n_cores=args.smp,
        tier=args.tier,
        dtb=args.dtb,
        serial=serial,
    )


def _refuse_machine(args: argparse.Namespace) -> None:
    """HarnessError for what can be asked of an emulated machine only."""
    for flag, given in (
        ("--cpu", args.cpu is not None),
        ("--smp", args.smp != 1),
        ("--icount", args.icount),
        ("--dtb", args.dtb is not None),
        # Of a model it says for what RAM the image is built; an image is built already.
        ("--ram", args.ram is not None and args.model is not None and args.model.is_dir()),
    ):
        if given:
            raise HarnessError(
                f"{flag} is for QEMU: a board has a CPU, RAM and a device tree of its own",
                hint=f"leave {flag} out, or --target qemu",
            )


def sampling(args: argparse.Namespace) -> SamplingParams:
    """The sampling part of the arguments; a negative seed becomes a random one."""
    seed = secrets.randbits(32) if args.seed < 0 else args.seed
    return SamplingParams(
        n_predict=args.n_predict,
        temp=args.temp,
        top_k=args.top_k,
        top_p=args.top_p,
        min_p=args.min_p,
        repeat_penalty=args.repeat_penalty,
        repeat_last_n=args.repeat_last_n,
        seed=seed,
        ignore_eog=args.ignore_eos,
        n_draft=args.draft_max if args.spec_type == "ngram-simple" else 0,
    )


def positive(text: str) -> int:
    """An integer from 1 on."""
    return _within(text, 1, UNLIMITED)


def finite(text: str) -> float:
    """A number that float32 can hold; neither infinite nor NaN."""
    value = float(text)
    if not abs(value) <= FLOAT32_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number (in float32)")
    return value


def penalty(text: str) -> float:
    """A number above 0: logits are divided by it."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def int32(text: str) -> int:
    """What the kernel reads as a signed 32-bit number."""
    return _within(text, -(1 << 31), (1 << 31) - 1)


def seed_number(text: str) -> int:
    """-1, or 64 bits."""
    return _within(text, -1, (1 << 64) - 1)


def n_predict_count(text: str) -> int:
    """A number of tokens; -1 is more than any context holds."""
    value = _within(text, -1, UNLIMITED)
    return UNLIMITED if value < 0 else value


def _within(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high}")
    return value


def size_bytes(text: str) -> int:
    """`512M`, `2G`, `1048576`."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 512M or 2G")
    return int(match[1]) * UNITS[match[2].upper()]


def token_ids(text: str) -> list[int]:
    """`1,2,3`: comma-separated token ids."""
    try:
        ids = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like 1,2,3") from None
    if min(ids) < 0 or max(ids) > 0xFFFFFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of token ids like 1,2,3")
    return ids
