"""`build`: GGUF in, bootable image out."""

import argparse
import resource
import time

from harness.cli.options import add_build, add_cpu, add_model, build_options
from harness.cli.pipeline import build
from harness.cli.progress import note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser)
    add_build(parser)
    add_cpu(parser)


def run(args: argparse.Namespace) -> int:
    """Build and name the result."""
    started = time.monotonic()
    built = build(build_options(args))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    note(f"built in {time.monotonic() - started:.1f} s, peak memory {peak_mib:.0f} MiB")
    made = ", ".join(built.changed) or "nothing changed"
    print(f"{built.image.kernel8} ({built.image.kernel8.stat().st_size:,} bytes; {made})")
    if built.image.blob is not None:
        print(f"{built.image.blob} ({built.image.blob.stat().st_size:,} bytes, as initrd)")
    return 0
