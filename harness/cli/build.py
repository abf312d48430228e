"""`build`: GGUF in, bootable image out."""

import argparse
import resource
import sys
import time

from harness.board import load_board
from harness.cli.card import add_firmware, card_options, make_card
from harness.cli.lock import locked
from harness.cli.options import (
    DEFAULT_BOARD,
    BuildOptions,
    add_build,
    add_cpu,
    add_model,
    build_options,
)
from harness.cli.pipeline import build
from harness.cli.progress import note
from harness.codegen import render_loader, write_files
from harness.compile import compile_loader
from harness.errors import HarnessError
from toolchain import find_toolchain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser)
    add_build(parser)
    add_cpu(parser)
    parser.add_argument(
        "--loader", action="store_true",
        help="build the chainloader of --board instead: it takes kernels over the serial line",
    )  # fmt: skip
    add_firmware(parser).add_argument(
        "--card", action=argparse.BooleanOptionalAction, default=True,
        help="also make an SD card image, for boards that start from one (default: yes)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Build and name the result; a card that cannot be made leaves kernel and model as they are."""
    if args.loader:
        return _loader(build_options(args))
    started = time.monotonic()
    firmware = card_options(args)
    built = build(build_options(args))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    note(f"built in {time.monotonic() - started:.1f} s, peak memory {peak_mib:.0f} MiB")
    made = ", ".join(built.changed) or "nothing changed"
    print(f"{built.image.kernel8} ({built.image.kernel8.stat().st_size:,} bytes; {made})")
    if built.image.blob is not None:
        print(f"{built.image.blob} ({built.image.blob.stat().st_size:,} bytes, as initrd)")
    if args.card and built.board.card is not None:
        sys.stdout.flush()  # what is made is said, whatever becomes of the card
        card = make_card(built, firmware)
        print(f"{built.directory / card.image} ({card.size_bytes:,} bytes, SHA-256 {card.sha256})")
        print(card.table())
    return 0


def _loader(options: BuildOptions) -> int:
    """<out>/<board>/loader/loader.img: what the board starts instead of a kernel."""
    if options.model is not None:
        raise HarnessError(
            "--loader is built without a model: it takes any kernel", hint="leave -m out"
        )
    board = load_board(options.board or DEFAULT_BOARD)
    toolchain = find_toolchain(options.cc)
    directory = options.out / board.name / "loader"
    with locked(directory):
        write_files(render_loader(board), directory)
        image = compile_loader(directory, toolchain, directory)
    print(f"{image} ({image.stat().st_size:,} bytes)")
    return 0
