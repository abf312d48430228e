"""`run`: boot the image and answer one prompt."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.cli.answer import Live, as_json, stats_lines
from harness.cli.default_model import default_prompt
from harness.cli.manifest import keep_json
from harness.cli.options import (
    add_build,
    add_model,
    add_prompt,
    add_sampling,
    add_target,
    add_template,
    build_options,
    sampling,
    target_options,
)
from harness.cli.pipeline import built_from
from harness.cli.progress import note
from harness.cli.prompt import as_turn, read_prompt, uses_template
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.errors import EXIT_INTERRUPTED, HarnessError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, prompt, sampling, output."""
    add_model(parser, image_dir=True)
    add_prompt(parser)
    add_template(parser)
    add_sampling(parser)
    add_build(parser)
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--logits", type=Path, metavar="FILE.npy", help="save the logits: float32 (n, n_vocab_rows)"
    )


def run(args: argparse.Namespace) -> int:
    """Build what changed, boot, print the answer, switch off."""
    check_smp(args.smp, icount=args.icount)
    _check_writable(args.logits)
    prompt = read_prompt(args, default_prompt() if args.model is None else None)
    params = sampling(args)
    built = built_from(build_options(args), makes="text")
    in_turns = uses_template(args, has_template=built.chat)
    live = Live(text=not args.json)
    options = target_options(args)
    with running(built, options) as session:
        if in_turns:
            prompt = as_turn(prompt, session.welcome.system if args.system is None else args.system)
        answer = session.generate(
            prompt,
            params,
            want_logits=args.logits is not None,
            on_token=live.on_token,
            on_prefill=live.on_prefill,
        )
        welcome = session.welcome
    result = as_json(answer, welcome, params.seed, options)
    keep_json(built.directory / "tokens.json", result)
    if args.logits is not None and answer.logits is not None:
        _save_logits(args.logits, answer.logits)
    exit_code = EXIT_INTERRUPTED if answer.stop == "abort" else 0
    if args.json:
        print(json.dumps(result))
        return exit_code
    print()
    note(f"[stop: {answer.stop}, seed: {params.seed}]")
    if answer.stats is not None:
        note(stats_lines(answer.stats, options.clock))
    if args.icount:
        counts = result["timing"]["instructions"]
        note("instructions: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))
    return exit_code


def _check_writable(path: Path | None) -> None:
    """Before the work, not after it: the folder of --logits must be there."""
    if path is not None and not path.parent.is_dir():
        raise HarnessError(
            f"{path.parent} is not a directory", hint="--logits FILE.npy in one that is"
        )


def _save_logits(path: Path, logits: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """Under exactly the given name (numpy would add `.npy`)."""
    try:
        with path.open("wb") as file:
            np.save(file, logits)
    except OSError as exc:
        raise HarnessError(f"cannot write the logits: {exc}") from exc
