"""Operations by themselves: what they print and what was counted -> a table of ratios."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.bench.counter import Counts, Mark
from harness.errors import BenchError, TargetError

LINE = re.compile(r"BENCH (\w+) (\w+) (\d+)")
BLOCK = 256  # weights
ROWS = (
    ("dequantize", "dequantise (portable; an embedding row)"),
    ("dequantize_multiply", "dequantise and multiply (portable)"),
    ("dot", "dot (portable, in integers)"),
    ("dot_neon", "dot (NEON)"),
)
FAST = "dot_neon"
BATCH = 16  # tokens of a `batch_`, as in kernel/app/bench_kernels.c
TIERS = ("neon", "dotprod", "i8mm")


@dataclass(frozen=True)
class Operation:
    """Instructions that one operation took for so many blocks of 256 weights."""

    type: str
    name: str
    n_blocks: int
    instructions: int


def operations_of(console: str, counts: Counts) -> tuple[Operation, ...]:
    """The nth line of the console names what was counted between the nth pair of marks."""
    lines = LINE.findall(console)
    failed = [f"{name} {n}" for kind, name, n in lines if kind == "FAIL"]
    if failed or "BENCH end" not in console:
        tail = "\n".join(console.splitlines()[-5:])
        what = f"NEON and portable differ: {', '.join(failed)}" if failed else "it did not end"
        raise TargetError(f"the kernels bench: {what}\n{tail}")
    spans = counts.spans(Mark.KERNEL_BEGIN, Mark.KERNEL_END)
    if len(spans) != len(lines):
        raise BenchError(f"{len(spans)} operations were counted, {len(lines)} were named")
    return tuple(
        Operation(kind, name, int(n), count)
        for (kind, name, n), count in zip(lines, spans, strict=True)
    )


def ratio(operations: Sequence[Operation], type_name: str, name: str, n_blocks: int) -> float:
    """How many times the instructions of the NEON dot an operation takes."""
    counts = {(o.type, o.name, o.n_blocks): o.instructions for o in operations}
    return counts[type_name, name, n_blocks] / counts[type_name, FAST, n_blocks]


def kernels_table(cpu: str, operations: Sequence[Operation]) -> str:
    """Instructions, per weight, and the ratio to NEON."""
    sizes = sorted({o.n_blocks for o in operations if o.name == FAST})
    counts = {(o.type, o.name, o.n_blocks): o.instructions for o in operations}
    lines = [f"{cpu}: instructions, per weight, times the NEON dot"]
    lines.append(f"{'':<46}" + "".join(f"{f'{n} blocks':>28}" for n in sizes))
    for type_name in dict.fromkeys(o.type for o in operations if o.name == FAST):
        for name, label in ROWS:
            cells = "".join(
                f"{counts[type_name, name, n]:>12,}"
                f"{counts[type_name, name, n] / n / BLOCK:>8.3f}"
                f"{ratio(operations, type_name, name, n):>7.1f}x"
                for n in sizes
            )
            lines.append(f"{type_name:<6}{label:<40}{cells}")
    return "\n".join(lines)


def per_multiply_add(operations: Sequence[Operation]) -> dict[tuple[str, str], float]:
    """(type, `token_dotprod`): instructions per weight; (type, `batch_i8mm`): also per token."""
    n_tokens = {"token": 1, "batch": BATCH}
    found = {}
    for o in operations:
        kind, _, tier = o.name.partition("_")
        if kind in n_tokens and tier in TIERS:
            found[o.type, o.name] = o.instructions / (o.n_blocks * BLOCK * n_tokens[kind])
    return found


def products_table(cpu: str, operations: Sequence[Operation]) -> str:
    """A matrix with one token and with a batch, on every tier of this CPU."""
    counts = per_multiply_add(operations)
    names = [f"{kind}_{tier}" for kind in ("token", "batch") for tier in TIERS]
    names = [name for name in names if any(counted == name for _, counted in counts)]
    title = f"{cpu}: instructions per weight and token, of one token and of {BATCH}"
    lines = [title, f"{'':<6}" + "".join(f"{name.replace('_', ', '):>16}" for name in names)]
    for type_name in dict.fromkeys(kind for kind, _ in counts):
        cells = (counts.get((type_name, name)) for name in names)
        row = "".join(f"{'' if cell is None else f'{cell:.3f}':>16}" for cell in cells)
        lines.append(f"{type_name:<6}{row}")
    return "\n".join(lines)
