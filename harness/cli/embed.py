"""`embed`: boot the image and make vectors of texts."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli.manifest import keep_json
from harness.cli.options import (
    TargetOptions,
    add_build,
    add_model,
    add_target,
    build_options,
    target_options,
)
from harness.cli.pipeline import Built, built_from
from harness.cli.progress import bar, note
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.cli.texts import (
    Float32,
    add_dim,
    add_pooling,
    add_texts,
    check_dim,
    check_pooling,
    cut,
    read_texts,
)
from harness.errors import HarnessError
from harness.link.messages import Welcome
from harness.link.vectors import Embeddings

SHOWN_VALUES = 6
COMPARED_TEXTS = 10  # rows of a table that fits a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, texts, what becomes of vectors."""
    add_model(parser, image_dir=True)
    add_texts(parser)
    add_pooling(parser)
    add_dim(parser)
    add_build(parser)
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--npy", type=Path, metavar="FILE", help="save the vectors: float32 (texts, values)"
    )


def run(args: argparse.Namespace) -> int:
    """Build what changed, boot, print the vectors, switch off."""
    check_smp(args.smp, icount=args.icount)
    if args.npy is not None and not args.npy.parent.is_dir():
        raise HarnessError(
            f"{args.npy.parent} is not a directory", hint="--npy FILE in one that is"
        )
    texts = read_texts(args)
    built = built_from(build_options(args), makes="vectors")
    _check_wishes(args, built)
    options = target_options(args)
    with running(built, options) as session, bar("texts", len(texts), "texts") as shown:
        found = session.embed(texts, pooling=args.pooling, on_text=shown.set)
        welcome = session.welcome
    vectors = cut(found.vectors, args.dim)
    result = as_json(vectors, found, welcome, options)
    keep_json(built.directory / "vectors.json", result)
    if args.npy is not None:
        _save(args.npy, vectors)
    if args.json:
        print(json.dumps(result))
        return 0
    print("\n".join([*vector_lines(vectors, found), *similarity_lines(vectors)]))
    note(summary(found, welcome, options))
    return 0


def _check_wishes(args: argparse.Namespace, built: Built) -> None:
    assert built.vectors is not None
    check_pooling(args.pooling, built.vectors["pooling"])
    check_dim(args.dim, built.architecture, built.vectors["n_embd"])
    if built.architecture == "gemma-embedding" and not built.vectors["has_dense"]:
        note(
            "the file holds no dense layers: its vectors lie in another space than the original "
            "model's (convert with --sentence-transformers-dense-modules)"
        )


def as_json(
    vectors: Float32, found: Embeddings, welcome: Welcome, options: TargetOptions
) -> dict[str, Any]:
    """The object of `embed --json`; floats as they are in float32."""
    end, per_s = found.end, welcome.ticks_per_s or 1
    timing: dict[str, Any] = {
        "clock": options.clock,
        "boot_s": welcome.boot_ticks / per_s,
        "receive_s": end.ticks_receive / per_s,
        "compute_s": end.ticks_compute / per_s,
        "texts": end.n_texts,
        "tokens": end.n_tokens,
        "passes": end.n_passes,
    }
    if options.icount:  # one instruction is one nanosecond
        timing["instructions"] = {
            "boot": round(welcome.boot_ticks * 1e9 / per_s),
            "receive": round(end.ticks_receive * 1e9 / per_s),
            "compute": round(end.ticks_compute * 1e9 / per_s),
        }
    rows = [[float(value) for value in row] for row in vectors]
    return {
        **({"embedding": rows[0]} if len(rows) == 1 else {}),
        "embeddings": rows,
        "dim": vectors.shape[1],
        "lengths": [float(length) for length in found.lengths],
        "n_tokens": list(found.n_tokens),
        "target": welcome.description,
        "timing": timing,
    }


def vector_lines(vectors: Float32, found: Embeddings) -> list[str]:
    """The first values of each."""
    lines = []
    for i, (vector, n_tokens) in enumerate(zip(vectors, found.n_tokens, strict=True), 1):
        values = " ".join(f"{value:.6f}" for value in vector[:SHOWN_VALUES])
        rest = len(vector) - SHOWN_VALUES
        lines.append(f"{i}: {n_tokens} tokens: {values}{f' ... {rest} more' if rest > 0 else ''}")
    return lines


def similarity_lines(vectors: Float32) -> list[str]:
    """Cosines between some texts, each with each."""
    if not 1 < len(vectors) <= COMPARED_TEXTS:
        return []
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    return ["cosines:", *("  ".join(f"{value:7.4f}" for value in row) for row in cosines)]


def summary(found: Embeddings, welcome: Welcome, options: TargetOptions) -> str:
    """Counts, and whose clock the time is of."""
    end = found.end
    seconds = end.ticks_compute / (welcome.ticks_per_s or 1)
    passes = f"{end.n_passes} pass{'es' if end.n_passes != 1 else ''}"
    lines = [f"[{end.n_texts} texts, {end.n_tokens} tokens, {passes}, {seconds * 1e3:.2f} ms]"]
    lines.append(f"[clock: {options.clock}]")
    if options.icount:
        lines.append(f"[instructions: {round(seconds * 1e9):,}]")
    return "\n".join(lines)


def _save(path: Path, vectors: Float32) -> None:
    """Under exactly the given name (numpy would add `.npy`)."""
    try:
        with path.open("wb") as file:
            np.save(file, vectors)
    except OSError as exc:
        raise HarnessError(f"cannot write the vectors: {exc}") from exc
