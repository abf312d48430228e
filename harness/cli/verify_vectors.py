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
from harness.gguf import Model
from harness.link.prompt import Prompt
from harness.verify import compare_vectors, expected_ids

# Of one word, of a sentence, and beyond one chunk of attention.
TEXTS = (
    "hello",
    "Once upon a time there was a little cat named Tom.",
    "The quick brown fox jumps over the lazy dog, again and again, until the sun goes down. " * 3,
)


def texts_within(model: Model, n_ctx: int) -> list[Prompt]:
    """Those of TEXTS that the context holds; the first in any case."""
    texts = [as_text(text) for text in TEXTS]
    return texts[:1] + [text for text in texts[1:] if len(expected_ids(model, text)) <= n_ctx]


def verify_vectors(args: argparse.Namespace, built: Built, prompts: list[Prompt] | None) -> int:
    """Exit 0 when every check passes, 1 when one does not. prompts None: TEXTS."""
    if args.system:
        raise HarnessError("an embedding model has no system turn", hint="leave --system out")
    model = model_of(built)
    check_pooling(args.pooling, model.hyper.pooling)
    with (
        running(built, target_options(args)) as session,
        bar("kernel", len(prompts or TEXTS), "texts") as shown,
    ):
        prompts = prompts or texts_within(model, session.welcome.n_ctx)
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
