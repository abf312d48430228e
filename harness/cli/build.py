"""`build`: GGUF in, bootable image out."""

import argparse
import resource
import sys
import time

from harness.cli.card import add_firmware, card_options, make_card
from harness.cli.options import add_build, add_cpu, add_model, build_options
from harness.cli.pipeline import build
from harness.cli.progress import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser)
    add_build(parser)
    add_cpu(parser)
    add_firmware(parser).add_argument(
        "--card", action=argparse.BooleanOptionalAction, default=True,
        help="also make an SD card image, for boards that start from one (default: yes)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Build and name the result; a card that cannot be made leaves kernel and model as they are."""
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
