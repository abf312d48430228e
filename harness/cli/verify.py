"""`verify`: compare the kernel's tokens and logits, or vectors, with the NumPy reference."""

import argparse
import json

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
from harness.cli.pipeline import built_from, model_of
from harness.cli.progress import bar, note, stage
from harness.cli.prompt import as_turn, read_prompt, uses_template
from harness.cli.report import print_report
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.cli.texts import add_pooling
from harness.cli.verify_vectors import verify_vectors
from harness.codegen import Chat, Piece, chat_of, fragments, markers
from harness.errors import EXIT_INTERRUPTED, HarnessError
from harness.link.prompt import Prompt
from harness.verify import compare

PROMPT = "Once upon a time"
N_PREDICT = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, prompt, sampling (greedy unless asked otherwise)."""
    add_model(parser, image_dir=True)
    add_prompt(parser)
    add_template(parser)
    add_sampling(parser, n_predict=N_PREDICT, temp=0.0)
    add_pooling(parser)
    add_build(parser)
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Exit 0 when every check passes, 1 when one does not, 130 when there is nothing to judge."""
    check_smp(args.smp, icount=args.icount)
    prompt = read_prompt(args, PROMPT)
    params = sampling(args)
    built = built_from(build_options(args))
    if built.vectors is not None:
        given = (args.prompt, args.file, args.prompt_ids) != (None, None, None)
        return verify_vectors(args, built, [prompt] if given else None)
    if args.pooling is not None:
        raise HarnessError(
            f"--pooling {args.pooling}: the model goes on with texts, there is nothing to pool",
            hint="leave --pooling out; it is for embedding models",
        )
    model = model_of(built)
    in_turns = uses_template(args, has_template=built.chat)
    with (
        running(built, target_options(args)) as session,
        bar("kernel", params.n_predict, "tokens") as shown,
    ):
        if in_turns:
            prompt = as_turn(prompt, session.welcome.system if args.system is None else args.system)
        generation = session.generate(
            prompt, params, want_logits=True, on_token=lambda token: shown.set(token.index + 1)
        )
        n_ctx = session.welcome.n_ctx
    if generation.stop == "abort":
        note("interrupted: no verdict")
        return EXIT_INTERRUPTED
    chat = chat_of(model)
    with stage() as on_stage:
        verdict = compare(
            generation,
            model,
            prompt=prompt,
            written=written(prompt, chat) if in_turns else None,
            markers=markers(model, chat) if in_turns else frozenset(),
            params=params,
            kv_type=built.kv_type,
            n_ctx=n_ctx,
            on_stage=on_stage,
        )
    print_report(json.dumps(verdict.as_dict()) if args.json else verdict.report())
    keep_json(built.directory / "verdict.json", verdict.as_dict())
    return 0 if verdict.ok else 1


def written(prompt: Prompt, chat: Chat) -> Piece | None:
    """The turns as the model's chat template writes them; None for ids."""
    if chat.form is None or prompt.ids is not None:
        return None
    return fragments(chat.form, [(segment.role, segment.data) for segment in prompt.segments])
