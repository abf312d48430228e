"""Tokens per second on a board: what only a real clock can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any


@dataclass(frozen=True)
class Speed:
    """Tokens per second of one prompt length, one value per repetition."""

    n_prompt: int
    n_decode: int
    prefill: tuple[float, ...]
    decode: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: each value, and their means."""
        return {
            "n_prompt": self.n_prompt,
            "n_decode": self.n_decode,
            "prompt_tokens_per_s": mean(self.prefill),
            "decode_tokens_per_s": mean(self.decode),
            "prompt_runs": list(self.prefill),
            "decode_runs": list(self.decode),
        }


def speed_table(speeds: Sequence[Speed], target: str) -> str:
    """A row per prompt length: mean and standard deviation, as llama-bench shows them."""
    lines = [
        f"{target}: tokens per second by the board's own clock",
        f"{'prompt':>8}{'prompt t/s':>24}{'decode':>10}{'decode t/s':>24}",
    ]
    for speed in speeds:
        lines.append(
            f"{speed.n_prompt:>8}{_spread(speed.prefill):>24}"
            f"{speed.n_decode:>10}{_spread(speed.decode):>24}"
        )
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values) if len(values) > 1 else 0.0:.2f}"
