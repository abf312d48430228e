"""Profiles as a picture: what a token's instructions are spent on."""

from collections.abc import Sequence
from pathlib import Path

from harness.bench.phases import UNSTEADY, in_order
from harness.bench.profile import PHASES, Phase, Profile
from harness.errors import BenchError

try:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter
except ModuleNotFoundError as exc:
    raise BenchError(
        f"--plot needs the Python package {exc.name}, which is not installed",
        hint="pip install -e .[bench]",
    ) from exc

BAR_INCHES = 1.25
THIN = 0.002  # of the highest bar: not to be seen at all
SMALL = 0.04  # of the highest bar: too thin for a number


def plot_profiles(profiles: Sequence[Profile], title: str, path: Path) -> None:
    """A stacked bar per run, prefill and decode side by side on one scale."""
    kinds = in_order({k for p in profiles for name in PHASES for k in getattr(p, name).kinds})
    shown = [kind for kind in kinds if kind not in UNSTEADY]
    colours = dict(zip(shown, [matplotlib.colormaps["tab20"](i) for i in range(20)], strict=False))
    width = max(9.0, 2 * BAR_INCHES * len(profiles) + 3.5)
    figure = Figure(figsize=(width, 6), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(PHASES), sharey=True)
    highest = max(_each(getattr(p, name)) for p in profiles for name in PHASES)
    for axes, name in zip(panels, PHASES, strict=True):
        phases: list[Phase] = [getattr(profile, name) for profile in profiles]
        bottoms = [0.0] * len(phases)
        for kind in shown:
            heights = [phase.per_token(kind) for phase in phases]
            if max(heights) < THIN * highest:
                continue
            bars = axes.bar(
                range(len(phases)), heights, bottom=bottoms, width=0.72, label=kind,
                color=colours.get(kind, "black"), edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            labels = [_short(h) if h > SMALL * highest else "" for h in heights]
            axes.bar_label(bars, labels, label_type="center", fontsize=8)
            bottoms = [b + h for b, h in zip(bottoms, heights, strict=True)]
        for x, total in enumerate(bottoms):
            axes.text(x, total, _short(total), ha="center", va="bottom", weight="bold")
        axes.set_xticks(range(len(phases)), [_name(profile) for profile in profiles], fontsize=9)
        axes.set_title(f"{name}: instructions per token")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    panels[0].set_ylim(0, highest * 1.08)
    handles = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    ordered = [kind for kind in reversed(shown) if kind in handles]
    figure.legend(
        [handles[kind] for kind in ordered], ordered, loc="outside right center", frameon=False
    )
    figure.suptitle(title)
    figure.savefig(path)


def _each(phase: Phase) -> float:
    return phase.total / max(phase.tokens, 1)


def _name(profile: Profile) -> str:
    cores = f"{profile.cores} core{'s' * (profile.cores > 1)}"
    return f"{profile.cpu}\n{cores}\ncontext {profile.n_ctx}"


def _short(value: float) -> str:
    """`1.25 M`, `861 k`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"
