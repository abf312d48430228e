"""Tokens per second on a board: what only a real clock can tell."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any


@dataclass(frozen=True)
class Conditions:
    """Of the board, right after the runs; None: it does not tell."""

    mhz: int | None = None
    celsius: float | None = None
    throttling: tuple[str, ...] | None = None
    was_throttled: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """What is known."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def sentence(self) -> str:
        """For a person; "": nothing is known."""
        parts = [] if self.mhz is None else [f"{self.mhz} MHz"]
        if self.celsius is not None:
            parts.append(f"{self.celsius:.1f} C")
        if self.throttling:
            parts.append(f"SLOWED DOWN: {', '.join(self.throttling)}")
        elif self.was_throttled is not None:
            past = (
                "slowed down since power on, not now" if self.was_throttled else "not slowed down"
            )
            parts.append(past)
        return ", ".join(parts)


@dataclass(frozen=True)
class Speed:
    """Tokens per second of one prompt length, one value per repetition."""

    n_prompt: int
    n_decode: int
    prefill: tuple[float, ...]
    decode: tuple[float, ...]
    conditions: Conditions = Conditions()

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: each value, and their means."""
        return {
            "n_prompt": self.n_prompt,
            "n_decode": self.n_decode,
            "prompt_tokens_per_s": mean(self.prefill),
            "decode_tokens_per_s": mean(self.decode),
            "prompt_runs": list(self.prefill),
            "decode_runs": list(self.decode),
            **self.conditions.as_dict(),
        }


def speed_table(speeds: Sequence[Speed], target: str) -> str:
    """A row per prompt length: mean and standard deviation, as llama-bench shows them."""
    lines = [
        f"{target}: tokens per second by the board's own clock",
        f"{'prompt':>8}{'prompt t/s':>24}{'decode':>10}{'decode t/s':>24}",
    ]
    for speed in speeds:
        row = (
            f"{speed.n_prompt:>8}{_spread(speed.prefill):>24}"
            f"{speed.n_decode:>10}{_spread(speed.decode):>24}"
        )
        lines.append(f"{row}  {speed.conditions.sentence()}".rstrip())
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values) if len(values) > 1 else 0.0:.2f}"
