"""What a target can do, and what a test needs of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.cli.options import size_bytes
from harness.errors import HarnessError

TIERS = ("neon", "dotprod", "i8mm")  # each has what those before it have
DESCRIBED = re.compile(r"(?P<board>[^,]*), (?P<cores>\d+) x (?P<cpu>.*) \((?P<tier>\w+)\)")


@dataclass(frozen=True)
class Capabilities:
    """Of a running target."""

    board: str
    cores: int
    cpu: str
    tier: str
    ram_bytes: int

    @property
    def features(self) -> frozenset[str]:
        """What `needs` can name."""
        known = TIERS[: TIERS.index(self.tier) + 1] if self.tier in TIERS else (self.tier,)
        return frozenset(known)


def capabilities_of(description: str, ram_bytes: int) -> Capabilities:
    """From the line with which a kernel describes itself; HarnessError when it is none."""
    match = DESCRIBED.match(description)
    if match is None:
        raise HarnessError(
            f"the target describes itself as {description!r}",
            hint="board, cores x CPU (tier): build the image with this version",
        )
    return Capabilities(
        board=match["board"],
        cores=int(match["cores"]),
        cpu=match["cpu"],
        tier=match["tier"].lower(),
        ram_bytes=ram_bytes,
    )


def _needs(target: Capabilities, *features: str) -> str | None:
    for feature in features:
        if feature not in TIERS:
            raise HarnessError(f"no feature is called {feature!r}", hint=f"known: {TIERS}")
        if feature not in target.features:
            return f"needs {feature}, {target.cpu} has {target.tier}"
    return None


def _cores(target: Capabilities, wanted: int) -> str | None:
    return f"needs {wanted} cores, the target has {target.cores}" if target.cores < wanted else None


def _ram(target: Capabilities, wanted: str) -> str | None:
    if target.ram_bytes >= size_bytes(wanted):
        return None
    return f"needs {wanted} of RAM, the target has {target.ram_bytes >> 20}M"


def _boards(target: Capabilities, *names: str) -> str | None:
    return None if target.board in names else f"is for {', '.join(names)}, not {target.board}"


# By the marker's name; each says why the test cannot run, or None.
MARKERS: Mapping[str, tuple[str, Callable[..., str | None]]] = {
    "needs": ("needs(*features): skip without these instructions: neon, dotprod, i8mm", _needs),
    "cores": ("cores(n): skip on a target with fewer cores", _cores),
    "ram": ('ram(size): skip on a target with less memory, e.g. ram("2G")', _ram),
    "boards": ("boards(*names): skip on other boards", _boards),
}


def why_not(target: Capabilities, marker: str, args: tuple[Any, ...]) -> str | None:
    """The reason for which a test with this marker cannot run; None: it can."""
    return MARKERS[marker][1](target, *args)
