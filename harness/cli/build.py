"""`build`: GGUF in, bootable image out."""

import argparse
import resource
import sys
import time

from harness.cli.card import CardOptions, Made, add_firmware, card_options, make_card
from harness.cli.loader import build_loader
from harness.cli.options import (
    BuildOptions,
    add_build,
    add_cpu,
    add_model,
    build_options,
)
from harness.cli.pipeline import build
from harness.cli.progress import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser)
    add_build(parser)
    add_cpu(parser)
    parser.add_argument(
        "--loader", action="store_true",
        help="the chainloader of --board, which takes kernels over the serial line, and a card "
        "with it in the kernel's place; with -m the card has the model too, if it is a large one",
    )  # fmt: skip
    add_firmware(parser).add_argument(
        "--card", action=argparse.BooleanOptionalAction, default=True,
        help="also make an SD card image, for boards that start from one (default: yes)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Build and name the result; a card that cannot be made leaves kernel and model as they are."""
    firmware = card_options(args)
    if args.loader:
        return _loader(build_options(args), firmware, card=args.card)
    started = time.monotonic()
    built = build(build_options(args))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    note(f"built in {time.monotonic() - started:.1f} s, peak memory {peak_mib:.0f} MiB")
    made = ", ".join(built.changed) or "nothing changed"
    print(f"{built.image.kernel8} ({built.image.kernel8.stat().st_size:,} bytes; {made})")
    if built.image.blob is not None:
        print(f"{built.image.blob} ({built.image.blob.stat().st_size:,} bytes, as initrd)")
    if args.card:
        _card(built, firmware)
    return 0


def _card(made: Made, firmware: CardOptions) -> None:
    if made.board.card is None:
        return
    sys.stdout.flush()  # what is made is said, whatever becomes of the card
    card = make_card(made, firmware)
    print(f"{made.directory / card.image} ({card.size_bytes:,} bytes, SHA-256 {card.sha256})")
    print(card.table())


def _loader(options: BuildOptions, firmware: CardOptions, *, card: bool) -> int:
    """<out>/<board>/loader/loader.img: what the board starts instead of a kernel."""
    loader = build_loader(options)
    image = loader.image.kernel8
    print(f"{image} ({image.stat().st_size:,} bytes)")
    if card:
        _card(loader, firmware)
    return 0
