"""-p, -f LINES.txt -> texts to make vectors of; --dim and --pooling."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.cli.options import positive
from harness.cli.progress import note
from harness.errors import HarnessError
from harness.link.prompt import Prompt
from harness.link.vectors import POOLINGS

# Sizes to which vectors may be cut, by architecture and full size: those that the model was trained
# for. No key of a GGUF names them; EmbeddingGemma's are from its model card.
TRAINED_SIZES: Final = {("gemma-embedding", 768): (768, 512, 256, 128)}
Float32 = npt.NDArray[np.float32]


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Where texts come from."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-p", "--prompt", action="append", metavar="TEXT",
        help="a text; - reads one from stdin; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "-f", "--file", type=Path, metavar="LINES.txt", help="a text per line; - reads stdin"
    )


def add_pooling(parser: argparse.ArgumentParser) -> None:
    """How a text's tokens become its vector."""
    parser.add_argument(
        "--pooling", choices=tuple(POOLINGS), help="of a text's tokens (default: the model's own)"
    )


def add_dim(parser: argparse.ArgumentParser) -> None:
    """Matryoshka: the first values of a vector, scaled to length 1 again."""
    parser.add_argument(
        "--dim", type=positive, metavar="N",
        help="cut vectors to their first N values, scaled to length 1 again (default: all)",
    )  # fmt: skip


def read_texts(args: argparse.Namespace) -> list[Prompt]:
    """The texts that the user gave, without special tokens of their own; HarnessError for none.

    A file's lines end at line feeds; empty lines are texts too, but for nothing behind the last.
    """
    if args.file is not None:
        data = _bytes_of(args.file)
        lines = data.split(b"\n")
        if lines and not lines[-1]:
            lines.pop()
        texts = [line.removesuffix(b"\r") for line in lines]
        if not texts:
            raise HarnessError(
                f"{args.file} holds no line", hint="-f is a file with a text per line"
            )
    elif args.prompt:
        texts = [
            sys.stdin.buffer.read().removesuffix(b"\n") if text == "-" else os.fsencode(text)
            for text in args.prompt
        ]
    else:
        raise HarnessError("no text", hint='-p "some text", -p - for stdin, or -f LINES.txt')
    return [as_text(text) for text in texts]


def as_text(text: str | bytes) -> Prompt:
    """BOS and EOS, or [CLS] and [SEP], as the model wants them; what spells one is text."""
    return Prompt.of_text(text, add_special=True, parse_special=False)


def _bytes_of(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as exc:
        raise HarnessError(
            f"cannot read the texts: {path}: {exc.strerror or exc}",
            hint="-f is a file with a text per line",
        ) from exc


def check_dim(dim: int | None, architecture: str, n_embd: int) -> None:
    """HarnessError for a size that the model was not trained for, or does not have."""
    if dim is None:
        return
    sizes = TRAINED_SIZES.get((architecture, n_embd))
    if sizes is not None and dim not in sizes:
        listed = ", ".join(map(str, sizes))
        raise HarnessError(
            f"--dim {dim}: this model's vectors are made to be cut to {listed}",
            hint=f"--dim {min(sizes, key=lambda size: abs(size - dim))}",
        )
    if dim > n_embd:
        raise HarnessError(
            f"--dim {dim}: this model's vectors have {n_embd} values", hint=f"--dim {n_embd}"
        )
    if sizes is None and dim < n_embd:
        note(f"--dim {dim}: the file does not say to which sizes its {n_embd} values may be cut")


def cut(vectors: Float32, dim: int | None) -> Float32:
    """The first `dim` values of each row, of length 1 again; rows of zeros stay zeros."""
    if dim is None or dim == vectors.shape[1]:
        return vectors
    part = vectors[:, :dim].astype(np.float64)
    length = np.linalg.norm(part, axis=1, keepdims=True)
    scaled: Float32 = np.divide(part, length, out=np.zeros_like(part), where=length > 0).astype(
        np.float32
    )
    return scaled


def check_pooling(pooling: str | None, named: str | None) -> None:
    """HarnessError when neither the user nor the model says how to pool."""
    if pooling is None and named is None:
        raise HarnessError(
            "the model's file names no pooling: it gives a vector for each token",
            hint=f"--pooling {', '.join(POOLINGS)}",
        )
