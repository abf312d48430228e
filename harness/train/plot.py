"""The loss curve as a picture a person would look at."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

SMOOTH = 0.97  # of the exponential mean over steps


def plot_losses(rows: list[dict[str, Any]], baseline: float, title: str, path: Path) -> None:
    """Training loss (faint, and smoothed), validation loss, the n-gram baseline, against tokens."""
    train = [(row["tokens"], row["loss"]) for row in rows if "loss" in row]
    valid = [(row["tokens"], row["valid_loss"]) for row in rows if "valid_loss" in row]
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    if train:
        tokens, losses = [t / 1e6 for t, _ in train], [loss for _, loss in train]
        axes.plot(tokens, losses, color="tab:blue", alpha=0.25, linewidth=0.8)
        axes.plot(tokens, _smooth(losses), color="tab:blue", label="training, smoothed")
    if valid:
        axes.plot(
            [t / 1e6 for t, _ in valid], [loss for _, loss in valid],
            color="tab:orange", marker="o", markersize=3, label=f"validation: {valid[-1][1]:.3f}",
        )  # fmt: skip
    axes.axhline(
        baseline, color="tab:gray", linestyle="--", label=f"5-gram baseline: {baseline:.3f}"
    )
    # The first steps start at ln(n_vocab); the interesting part lies below.
    low = min([loss for _, loss in [*train, *valid]], default=baseline)
    axes.set_ylim(0.9 * min(low, baseline), 1.0 + 1.5 * max(baseline, low))
    axes.set(title=title, xlabel="tokens read (millions)", ylabel="loss (nats per token)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def _smooth(losses: list[float]) -> list[float]:
    """An exponential mean, corrected for its beginning."""
    out, mean, weight = [], 0.0, 0.0
    for loss in losses:
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        weight = SMOOTH * weight + (1 - SMOOTH)
        out.append(mean / weight)
    return out
