"""`symbols`: the operations in the image: size, NEON instructions, reachability."""

import argparse
import json

from harness.cli.options import add_build, add_model, build_options
from harness.cli.pipeline import built_from
from harness.compile import Operation, operations


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser, image_dir=True)
    add_build(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print the table; exit 1 when a promised operation is not delivered."""
    built = built_from(build_options(args))
    found = operations(built.elf, built.architecture, vectors=built.vectors is not None)
    if args.json:
        listed = [operation.as_dict() for operation in found]
        print(json.dumps({"elf": str(built.elf), "operations": listed}))
    else:
        print(table(found))
    return 1 if any(o.promised and o.fault for o in found) else 0


def table(found: tuple[Operation, ...]) -> str:
    """Promised operations, then ours."""
    a, b = (
        2 + max(len(n) for n in names)
        for names in zip(*((o.name, o.symbol) for o in found), strict=True)
    )
    lines = [f"{'operation':<{a}}{'symbol':<{b}}{'bytes':>7}{'NEON':>7}  reachable"]
    for operation in found:
        state = operation.fault or "yes"
        lines.append(
            f"{operation.name:<{a}}{operation.symbol:<{b}}{operation.size_bytes:>7}"
            f"{operation.neon_instructions:>7}  {state}{' *' * operation.promised}"
        )
    lines.append("* promised in every image of its kind; NEON: instructions with vector operands")
    return "\n".join(lines)
