"""Profiles as tables for a person."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from harness.bench.phases import UNSTEADY, in_order
from harness.bench.profile import PHASES, Phase, Profile, Weights

KIND_WIDTH = 18
CELL = 30
FUNCTIONS = 6  # named per kind


def tables(profiles: Sequence[Profile], weights: Weights, *, functions: bool = False) -> str:
    """Per CPU and number of cores a table of each phase, a column per context."""
    parts = []
    for (cpu, cores), group in groupby(profiles, lambda p: (p.cpu, p.cores)):
        runs = list(group)
        who = f"{cpu}, {cores} core{'s' * (cores > 1)}"
        parts.append(f"{who}: {runs[0].boot:,} instructions from reset to the first prompt")
        for name in PHASES:
            parts.append("")
            parts += _table(f"{who}, {name}", name, runs, weights)
            if functions:
                parts += _functions(getattr(runs[-1], name))
        parts.append("")
    return "\n".join(line.rstrip() for line in [*parts, *_scaling(profiles)]).rstrip()


def _table(title: str, name: str, runs: Sequence[Profile], weights: Weights) -> list[str]:
    phases: list[Phase] = [getattr(run, name) for run in runs]
    heads = [f"context {run.n_ctx}" for run in runs]
    if name == "prefill":
        heads = [f"prompt of {run.n_ctx}" for run in runs]
    unit = "per weight" if name == "decode" else "per multiply-add"
    kinds = in_order({kind for phase in phases for kind in phase.kinds})
    lines = [
        f"{title}: instructions per token, share, {unit}",
        f"{'':<{KIND_WIDTH}}" + "".join(f"{head:>{CELL}}" for head in heads),
    ]
    for kind in [k for k in kinds if k not in UNSTEADY]:
        cells = "".join(_cell(phase, kind, weights) for phase in phases)
        lines.append(f"{kind:<{KIND_WIDTH}}{cells}")
    totals = "".join(_total(phase, weights) for phase in phases)
    lines.append(f"{'total':<{KIND_WIDTH}}{totals}")
    for kind in [k for k in kinds if k in UNSTEADY]:
        cells = "".join(f"{phase.per_token(kind):>14,.0f}{'':>{CELL - 14}}" for phase in phases)
        lines.append(f"{kind + ' *':<{KIND_WIDTH}}{cells}")
    lines.append(
        "* not in the total: it depends on how fast the host answers, or the other cores come"
    )
    return lines


def _multiply_adds(phase: Phase, kind: str, weights: Weights) -> float:
    """Per token: a prompt of n tokens goes through the output matrix once."""
    n = weights.of(kind)
    is_prefill_head = kind == "output head" and phase.is_prefill
    return n / phase.tokens if is_prefill_head and phase.tokens else n


def _cell(phase: Phase, kind: str, weights: Weights) -> str:
    each = phase.per_token(kind)
    share = phase.kinds.get(kind, 0) / max(phase.total, 1)
    products = _multiply_adds(phase, kind, weights)
    rate = f"{each / products:8.4f}" if products else f"{'':>8}"
    return f"{each:>14,.0f}{share:>7.1%}{rate} "


def _total(phase: Phase, weights: Weights) -> str:
    each = phase.total / max(phase.tokens, 1)
    products = sum(_multiply_adds(phase, kind, weights) for kind in in_order(set(phase.kinds)))
    return f"{each:>14,.0f}{'':>7}{each / products if products else 0:8.4f} "


def _functions(phase: Phase) -> list[str]:
    """Which functions make up each kind."""
    lines = []
    for kind, functions in phase.functions.items():
        named = ", ".join(
            f"{name} {n / max(phase.tokens, 1):,.0f}"
            for name, n in list(functions.items())[:FUNCTIONS]
        )
        rest = len(functions) - FUNCTIONS
        lines.append(f"  {kind}: {named}" + (f" and {rest} more" if rest > 0 else ""))
    return lines


def _scaling(profiles: Iterable[Profile]) -> list[str]:
    """The busiest core against an equal part of one core's count."""
    known = {(p.cpu, p.cores, p.n_ctx): p for p in profiles}
    lines = []
    for (cpu, cores, n_ctx), profile in known.items():
        one = known.get((cpu, 1, n_ctx))
        if cores == 1 or one is None:
            continue
        rates = ", ".join(
            f"{name} {max(getattr(profile, name).cores) * cores / getattr(one, name).total:.3f}"
            for name in PHASES
        )
        lines.append(f"{cpu}, context {n_ctx}: busiest of {cores} cores over its part: {rates}")
    return lines
