"""`synth`: a random-weight GGUF of a real model's shape."""

import argparse
from pathlib import Path

from harness.cli.progress import bar, note
from harness.gguf.architecture import ARCHITECTURES
from harness.synth import PRESETS, synthesize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Shape, types, seed, output."""
    parser.add_argument(
        "--like", default="tiny", metavar="NAME", help=f"whose shape: {', '.join(PRESETS)}"
    )
    parser.add_argument(
        "--arch", metavar="NAME",
        help=f"whose formulas: {', '.join(ARCHITECTURES)} (default: the shape's own, most: llama)",
    )  # fmt: skip
    parser.add_argument("--quant", default="Q4_K_M", help="tensor types (default: Q4_K_M)")
    parser.add_argument(
        "--pre",
        metavar="NAME",
        help="a byte-level BPE vocabulary whose texts are cut as tokenizer.ggml.pre NAME says "
        "(default: a SentencePiece vocabulary, of bert a WordPiece one)",
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same file (default: 0)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="X.gguf")


def run(args: argparse.Namespace) -> int:
    """Write the file and say how large it is."""
    with bar("writing weights", unit="B") as shown:
        synthesize(
            args.like,
            arch=args.arch,
            quant=args.quant,
            pre=args.pre,
            path=args.out,
            seed=args.seed,
            progress=shown.of,
        )
    note(f"{args.out}: {args.out.stat().st_size:,} bytes, random weights")
    return 0
