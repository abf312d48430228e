"""`inspect`: the model's facts and the memory plan, without building anything."""

import argparse
import json

from harness.cli.model_facts import facts_table, model_facts
from harness.cli.options import add_build, add_model, build_options
from harness.cli.pipeline import plan_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what it would be built for."""
    add_model(parser)
    add_build(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print facts and plan."""
    planned = plan_model(build_options(args))
    facts = model_facts(planned.model)
    if args.json:
        print(json.dumps({"model": facts, "plan": planned.plan.as_dict()}))
    else:
        print(facts_table(facts))
        print()
        print(planned.plan.table())
    return 0
