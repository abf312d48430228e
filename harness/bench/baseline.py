"""Counts to come back to: saved in the repository, compared with what is measured now.

Counts, not times: they repeat to the instruction, so that a limit of a few per cent never flickers.
Each compiler makes its own code and has its own counts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bench.phases import UNSTEADY
from harness.bench.profile import PHASES, Phase, Profile
from harness.errors import BenchError

LIMIT = 0.03
LARGE = 0.05  # share of the total from which on a kind of work is judged by itself
ABOUT = "Written by `python -m harness bench --save`; guest instructions per token."

Counts = dict[str, dict[str, int]]  # "cortex-a72, 1 core, context 16, decode" -> kind -> count


@dataclass(frozen=True)
class Baseline:
    """What was measured, and what came out, per compiler."""

    model: str
    cpus: tuple[str, ...]
    cores: tuple[int, ...]
    contexts: tuple[int, ...]
    n_decode: int
    compilers: dict[str, Counts]

    def save(self, path: Path) -> None:
        """Pretty and deterministic: it is reviewed as a diff."""
        content = {
            "about": ABOUT,
            "model": self.model,
            "cpus": list(self.cpus),
            "cores": list(self.cores),
            "contexts": list(self.contexts),
            "n_decode": self.n_decode,
            "compilers": dict(sorted(self.compilers.items())),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")


@dataclass(frozen=True)
class Change:
    """A count that is not what it was by more than the limit."""

    run: str
    kind: str
    was: int
    now: int

    @property
    def is_regression(self) -> bool:
        """More instructions than before."""
        return self.now > self.was

    def __str__(self) -> str:
        change = (self.now - self.was) / self.was
        return f"{self.run}: {self.kind} {self.now:,}, was {self.was:,} ({change:+.1%})"


def read_baseline(path: Path) -> Baseline:
    """A saved baseline; BenchError when there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return Baseline(
            model=content["model"],
            cpus=tuple(content["cpus"]),
            cores=tuple(content["cores"]),
            contexts=tuple(content["contexts"]),
            n_decode=content["n_decode"],
            compilers=content["compilers"],
        )
    except FileNotFoundError as exc:
        raise BenchError(
            f"{path} is not there", hint="python -m harness bench --save FILE makes one"
        ) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise BenchError(f"{path} is no baseline: {exc!r}") from exc


def counts_of(profiles: Sequence[Profile]) -> Counts:
    """Rounded counts per token, without what depends on the host."""
    return {
        run_name(profile, name): _kinds(getattr(profile, name))
        for profile in profiles
        for name in PHASES
    }


def run_name(profile: Profile, phase: str) -> str:
    """The key of a run's phase in a baseline."""
    cores = f"{profile.cores} core{'s' * (profile.cores > 1)}"
    return f"{profile.cpu}, {cores}, context {profile.n_ctx}, {phase}"


def _kinds(phase: Phase) -> dict[str, int]:
    counts = {"total": round(phase.total / max(phase.tokens, 1))}
    if len(phase.cores) > 1:
        counts["busiest core"] = round(max(phase.cores) / max(phase.tokens, 1))
    return counts | {k: round(phase.per_token(k)) for k in phase.kinds if k not in UNSTEADY}


def changes(then: Counts, now: Counts) -> list[Change]:
    """What differs by more than the limit: totals, and kinds of work that are a large part.

    BenchError when a run of the baseline was not measured.
    """
    missing = sorted(set(then) - set(now))
    if missing:
        raise BenchError(f"not measured, but in the baseline: {'; '.join(missing)}")
    return [
        Change(run, kind, was, now[run][kind])
        for run, kinds in then.items()
        for kind, was in kinds.items()
        if was
        and kind in now[run]
        and max(was, now[run][kind]) >= LARGE * kinds["total"]
        and abs(now[run][kind] - was) > LIMIT * was
    ]
