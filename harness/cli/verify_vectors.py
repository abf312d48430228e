"""`verify` of a model that makes vectors."""

import argparse
import json

from harness.cli.manifest import keep_json
from harness.cli.options import target_options
from harness.cli.pipeline import Built, model_of
from harness.cli.progress import bar, stage
from harness.cli.report import print_report
from harness.cli.target import running
from harness.cli.texts import as_text, check_pooling
from harness.errors import HarnessError
from harness.link.prompt import Prompt
from harness.verify import compare_vectors

# Of one word, of a sentence, and beyond one chunk of attention.
TEXTS = (
    "hello",
    "Once upon a time there was a little cat named Tom.",
    "The quick brown fox jumps over the lazy dog, again and again, until the sun goes down. " * 3,
)


def verify_vectors(args: argparse.Namespace, built: Built, prompts: list[Prompt] | None) -> int:
    """Exit 0 when every check passes, 1 when one does not. prompts None: TEXTS."""
    if args.system:
        raise HarnessError("an embedding model has no system turn", hint="leave --system out")
    model = model_of(built)
    check_pooling(args.pooling, model.hyper.pooling)
    prompts = prompts or [as_text(text) for text in TEXTS]
    with (
        running(built, target_options(args)) as session,
        bar("kernel", len(prompts), "texts") as shown,
    ):
        ids = [session.tokenize(prompt) for prompt in prompts]
        found = session.embed(prompts, pooling=args.pooling, on_text=shown.set)
        n_ctx = session.welcome.n_ctx
    with stage() as on_stage:
        verdict = compare_vectors(
            found, ids, model, prompts, pooling=args.pooling, n_ctx=n_ctx, on_stage=on_stage
        )
    print_report(json.dumps(verdict.as_dict()) if args.json else verdict.report())
    keep_json(built.directory / "verdict.json", verdict.as_dict())
    return 0 if verdict.ok else 1
