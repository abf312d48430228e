"""The verdict: a list of checks, a table for people and a dictionary for programs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """One thing that was compared."""

    name: str
    ok: bool
    observed: str
    wanted: str


@dataclass(frozen=True)
class Difference:
    """Where the kernel chose another token than a reference would have after the same tokens."""

    reference: str  # "contract" or "float64"
    position: int  # index among the generated tokens
    kernel_id: int
    kernel_text: str
    reference_id: int
    reference_text: str
    margin: float  # the reference's best logit minus its second best
    near_tie_below: float  # margins up to this are noise

    @property
    def near_tie(self) -> bool:
        """True when rounding noise alone can explain the choice."""
        return self.margin <= self.near_tie_below

    def sentence(self) -> str:
        """For people."""
        relation = "a near-tie: not above" if self.near_tie else "no near-tie: above"
        return (
            f"{self.reference}: first difference at token {self.position}: kernel "
            f"{self.kernel_id} {self.kernel_text!r}, reference {self.reference_id} "
            f"{self.reference_text!r}; top-2 margin {self.margin:.3g}, {relation} "
            f"{self.near_tie_below:.3g} = 6 x rms noise"
        )


@dataclass(frozen=True)
class Verdict:
    """Everything `verify` found out; ok when every check is."""

    model: str
    kv_type: str
    n_prompt: int
    n_generated: int
    checks: tuple[Check, ...]
    first_differences: tuple[Difference, ...]
    figures: dict[str, float | int | None]

    @property
    def ok(self) -> bool:
        """The kernel says the right words."""
        return all(check.ok for check in self.checks)

    def report(self) -> str:
        """A table: one line per check, then the first differences."""
        head = (
            f"{self.model}: {self.n_prompt} prompt tokens, {self.n_generated} generated, "
            f"KV cache {self.kv_type}"
        )
        *lines, verdict = table(self.checks)
        lines += ["  " + difference.sentence() for difference in self.first_differences]
        return "\n".join([head, *lines, verdict])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "ok": self.ok,
            "model": self.model,
            "kv_type": self.kv_type,
            "n_prompt": self.n_prompt,
            "n_generated": self.n_generated,
            "checks": [asdict(check) for check in self.checks],
            "first_differences": [
                {name: _finite(value) for name, value in asdict(difference).items()}
                | {"near_tie": difference.near_tie}
                for difference in self.first_differences
            ],
            "figures": {name: _finite(value) for name, value in self.figures.items()},
        }


def table(checks: Sequence[Check]) -> list[str]:
    """A line per check, and the verdict as the last one."""
    rows = [("", "check", "observed", "wanted")]
    rows += [("ok" if c.ok else "FAIL", c.name, c.observed, c.wanted) for c in checks]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  " + "  ".join([*cells, row[3]]).rstrip())
    failed = [check.name for check in checks if not check.ok]
    lines.append("verdict: FAIL (" + ", ".join(failed) + ")" if failed else "verdict: PASS")
    return lines


def _finite(value: T) -> T | None:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
