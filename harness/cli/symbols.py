"""`symbols`: the operations in the image: size, NEON instructions, reachability."""

import argparse
import json
import re
from pathlib import Path

from harness.cli.options import add_build, add_model, build_options
from harness.cli.pipeline import built_from
from harness.compile import Operation, operations

# Products whose symbol names the type of the weights.
TYPED = re.compile(r"(?:matvec|gemm)_(\w+)_(?:neon|dotprod|i8mm)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what to build for."""
    add_model(parser, image_dir=True)
    add_build(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print the table; exit 1 when a promised operation is not delivered."""
    built = built_from(build_options(args))
    found = operations(built.elf, built.architecture, vectors=built.vectors is not None)
    types = matrix_types(built.directory)
    if args.json:
        listed = [o.as_dict() | {"in_model": in_model(o.symbol, types)} for o in found]
        print(json.dumps({"elf": str(built.elf), "operations": listed}))
    else:
        print(table(found, types))
    return 1 if any(o.promised and o.fault for o in found) else 0


def matrix_types(directory: Path) -> frozenset[str] | None:
    """Types of the model's matrices; None of an image whose model.json does not tell."""
    names = json.loads((directory / "model.json").read_text(encoding="utf-8")).get("matrix_types")
    return None if names is None else frozenset(names)


def in_model(symbol: str, types: frozenset[str] | None) -> bool | None:
    """Whether the model has a matrix of the type that this operation multiplies with.

    An image holds the products of common types whatever its model has. None: of operations that
    are for no type of weights.
    """
    match = TYPED.fullmatch(symbol)
    return None if match is None or types is None else match[1].upper() in types


def table(found: tuple[Operation, ...], types: frozenset[str] | None) -> str:
    """Promised operations, then ours."""
    a, b = (
        2 + max(len(n) for n in names)
        for names in zip(*((o.name, o.symbol) for o in found), strict=True)
    )
    lines = [f"{'operation':<{a}}{'symbol':<{b}}{'bytes':>7}{'NEON':>7}{'model':>7}  reachable"]
    for operation in found:
        state = operation.fault or "yes"
        used = {True: "yes", False: "no", None: "-"}[in_model(operation.symbol, types)]
        lines.append(
            f"{operation.name:<{a}}{operation.symbol:<{b}}{operation.size_bytes:>7}"
            f"{operation.neon_instructions:>7}{used:>7}  {state}{' *' * operation.promised}"
        )
    lines.append("* promised in every image of its kind; NEON: instructions with vector operands;")
    lines.append("model: has matrices of the type that the operation multiplies with")
    return "\n".join(lines)
