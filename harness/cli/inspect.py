"""`inspect`: the model's facts, the memory plan and what to expect of a board; builds nothing."""

import argparse
import json

from harness.board import versions_of
from harness.cli.model_facts import facts_table, model_facts
from harness.cli.options import DEFAULT_KV, add_build, add_model, build_options
from harness.cli.pipeline import model_and_board
from harness.errors import FitError
from harness.fit import Fit, advise
from harness.plan import default_ctx, plan_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what it would be built for."""
    add_model(parser)
    add_build(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print facts, plan and advice; exit 2 when it does not fit, with the facts all the same."""
    options = build_options(args)
    model, board = model_and_board(options)
    kv_type = options.kv_type or DEFAULT_KV
    plan, refusal = None, None
    try:
        plan = plan_memory(model, board, n_ctx=options.n_ctx, kv_type=kv_type)
    except FitError as error:
        refusal = error
    fit = advise(
        model,
        board,
        n_ctx=options.n_ctx or default_ctx(model),
        kv_type=kv_type,
        versions=versions_of(board),
    )
    facts = model_facts(model)
    if args.json:
        planned = plan.as_dict() if plan else None
        print(json.dumps({"model": facts, "plan": planned, "fit": fit.as_dict()}))
    else:
        tables = [facts_table(facts), *([plan.table()] if plan else []), fit_table(fit)]
        print("\n\n".join(tables))
    if refusal is not None:
        raise refusal
    return 0


def _rounded(value: float | None) -> str:
    """Three digits that mean something, and no powers of ten."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def fit_table(fit: Fit) -> str:
    """The advice for a person."""
    holds = "yes" if fit.fits else "no"
    largest = f"{fit.largest_ctx:,} tokens" if fit.largest_ctx else "none fits"
    cache = f", keys and values in {fit.kv_type.upper()}" if fit.kv_bytes_per_position else ""
    rows = [
        (f"on {fit.board}", f"{holds}, with a context of {fit.n_ctx:,} tokens"),
        ("largest", largest + cache),
    ]
    if fit.smallest_board and fit.smallest_board != fit.board:
        rows.append(("fits on", fit.smallest_board))
    read = f"{fit.weights_bytes_per_token:,} bytes of weights"
    if fit.kv_bytes_per_position:
        keys = f"{fit.kv_bytes_per_position:,} of keys and values for each token before it"
        rows.append(("per token", f"{read}, and {keys}"))
    else:
        rows.append(("per pass", f"{read}, shared by the texts of the pass"))
    for ceiling in fit.ceilings:
        if ceiling.tokens_per_s is None or ceiling.instructions is None:
            continue
        rows.append(
            (
                "ceiling",
                f"{_rounded(ceiling.tokens_per_s)} tokens/s after {ceiling.n_context:,} tokens "
                f"(memory {_rounded(ceiling.by_memory)}: {_rounded(ceiling.bytes_read / 1e6)} MB; "
                f"cores {_rounded(ceiling.by_instructions)}: "
                f"{_rounded(ceiling.instructions / 1e6)} M instructions)",
            )
        )
    if not fit.kv_bytes_per_position:
        rows.append(("prediction", "none: a model that makes vectors decodes no tokens"))
    elif fit.basis:
        rows.append(("prediction", f"from {fit.basis}; nothing was run on such a board"))
    else:
        rows.append(("prediction", f"none: {fit.board} has no figures to reckon a speed from"))
    width = max(12, len(fit.board) + len("on ") + 2)  # of the facts' table, if the board allows
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)
