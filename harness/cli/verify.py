"""`verify`: compare the kernel's tokens and logits with the NumPy reference."""

import argparse
import json

from harness.cli.manifest import write_json
from harness.cli.options import (
    add_build,
    add_model,
    add_prompt,
    add_sampling,
    add_target,
    build_options,
    sampling,
    target_options,
)
from harness.cli.pipeline import built_from, model_of
from harness.cli.progress import bar, note, stage
from harness.cli.prompt import read_prompt
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.errors import EXIT_INTERRUPTED
from harness.verify import compare

PROMPT = "Once upon a time"
N_PREDICT = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, prompt, sampling (greedy unless asked otherwise)."""
    add_model(parser, image_dir=True)
    add_prompt(parser)
    add_sampling(parser, n_predict=N_PREDICT, temp=0.0)
    add_build(parser)
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Exit 0 when every check passes, 1 when one does not, 130 when there is nothing to judge."""
    check_smp(args.smp, icount=args.icount)
    prompt = read_prompt(args, PROMPT)
    params = sampling(args)
    built = built_from(build_options(args))
    model = model_of(built)
    with (
        running(built, target_options(args)) as session,
        bar("kernel", params.n_predict, "tokens") as shown,
    ):
        generation = session.generate(
            prompt, params, want_logits=True, on_token=lambda token: shown.set(token.index + 1)
        )
        n_ctx = session.welcome.n_ctx
    if generation.stop == "abort":
        note("interrupted: no verdict")
        return EXIT_INTERRUPTED
    with stage() as on_stage:
        verdict = compare(
            generation,
            model,
            prompt=prompt,
            params=params,
            kv_type=built.kv_type,
            n_ctx=n_ctx,
            on_stage=on_stage,
        )
    write_json(built.directory / "verdict.json", verdict.as_dict())
    print(json.dumps(verdict.as_dict()) if args.json else verdict.report())
    return 0 if verdict.ok else 1
