"""The hot loop of a function, as straight code: found by its branches and by what was executed."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.bench.code import Function
from harness.bench.counter import Piece

HOT = 0.8  # share of a function's instructions that its loop must hold
LONG = 1500  # instructions of one iteration: no longer one loop to a reader
PART = 0.1  # share from which on one of several loops is shown
BRANCH = re.compile(r"^(?:b(?:\.\w+)?|cbn?z|tbn?z)\s.*?\b0x([0-9a-f]+)")


@dataclass(frozen=True)
class Loop:
    """From `start` to the branch back at `end`, both included."""

    start: int
    end: int

    def holds(self, address: int) -> bool:
        """Whether an instruction is part of it."""
        return self.start <= address <= self.end


@dataclass(frozen=True)
class HotLoop:
    """One iteration of the loop in which a function spends its instructions."""

    function: Function
    loop: Loop
    iterations: int  # executed in all
    share: float  # of the function's instructions
    code: tuple[str, ...]  # of one iteration; inner loops are repeated as often as they ran


def times_of(pieces: Iterable[Piece]) -> Counter[int]:
    """How often each instruction was executed."""
    times: Counter[int] = Counter()
    for piece in pieces:
        for i in range(piece.n):
            times[piece.address + 4 * i] += piece.times
    return times


def hot_loops(
    function: Function, listing: Mapping[int, str], times: Mapping[int, int]
) -> list[HotLoop]:
    """The smallest loop that holds most of what the function executed, if one is short enough to
    be looked at; else those innermost loops that are a part worth looking at.

    listing: address -> instruction, branch targets as absolute addresses.
    """
    executed = {a: times.get(a, 0) for a in listing if function.start <= a < function.end}
    total = sum(executed.values())
    loops = _loops(function, listing, executed)
    weight = {loop: sum(n for a, n in executed.items() if loop.holds(a)) for loop in loops}

    def look_at(loop: Loop) -> HotLoop:
        inner = [i for i in loops if i != loop and loop.holds(i.start) and loop.holds(i.end)]
        iterations = executed[loop.end]
        code = tuple(_straight(loop, inner, listing, executed, iterations))
        return HotLoop(function, loop, iterations, weight[loop] / total, code)

    holding = [loop for loop in loops if weight[loop] >= HOT * total]
    if holding:
        smallest = look_at(min(holding, key=lambda loop: loop.end - loop.start))
        if len(smallest.code) <= LONG:
            return [smallest]
    leaves = [a for a in loops if not any(a != b and a.holds(b.start) for b in loops)]
    return [look_at(leaf) for leaf in leaves if weight[leaf] >= PART * total]


def _loops(
    function: Function, listing: Mapping[int, str], executed: Mapping[int, int]
) -> list[Loop]:
    """One per head; branches back to the same head are one loop. What never ran is none."""
    ends: dict[int, int] = {}
    for address, text in sorted(listing.items()):
        target = BRANCH.match(text)
        head = int(target[1], 16) if target else address + 4
        if function.start <= head <= address and executed.get(address):
            ends[head] = address
    return [Loop(start, end) for start, end in ends.items()]


def _straight(
    loop: Loop,
    inner: Sequence[Loop],
    listing: Mapping[int, str],
    times: Mapping[int, int],
    iterations: int,
) -> Iterator[str]:
    """Instructions in order of address; what runs in less than half of the iterations is left
    out."""
    address = loop.start
    while address <= loop.end:
        starting = [i for i in inner if i.start == address]
        if starting:
            longest = max(starting, key=lambda i: i.end)
            deeper = [i for i in inner if i != longest and longest.holds(i.start)]
            turns = times.get(longest.end, 0)
            repeated = round(turns / iterations)
            if repeated:
                yield from [*_straight(longest, deeper, listing, times, turns)] * repeated
            address = longest.end + 4
            continue
        if address in listing and times.get(address, 0) >= iterations / 2:
            yield listing[address]
        address += 4
