"""`build`: GGUF in, bootable image out."""

import argparse

from harness.cli.options import add_build, add_model, add_target, build_options
from harness.cli.pipeline import build
from harness.cli.smp import check_smp


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser)
    add_build(parser)
    add_target(parser)


def run(args: argparse.Namespace) -> int:
    """Build and name the result."""
    check_smp(args.smp)
    built = build(build_options(args))
    made = ", ".join(built.changed) or "nothing changed"
    print(f"{built.image.kernel8} ({built.image.kernel8.stat().st_size:,} bytes; {made})")
    if built.image.blob is not None:
        print(f"{built.image.blob} ({built.image.blob.stat().st_size:,} bytes, as initrd)")
    return 0
