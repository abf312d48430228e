"""The regexes of a pre-tokenizer as one table of states: no regex engine runs on the target.

A state is the list of places in the program that a backtracking matcher would still try, best
first (a place reached by a better one, or behind a match, is left out), so that the automaton's
longest run ends with the same match. A look at the next character is part of the step that reads
it: whether the text before that character was a match is known one character late.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.vocabulary.characters import CharacterSet, runs
from harness.vocabulary.pattern import (
    Match,
    NotNext,
    Program,
    Split,
    Take,
    compile_pattern,
)

END: Final = 0  # the class of the end of the text
DEAD: Final = 0  # the state without places
MATCHED: Final = 0x80  # flag of an entry: the text before this character is a match
MAX_STATES: Final = 0x80
MAX_CLASSES: Final = 0x100

State = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Automaton:
    """classes: `first code point << 8 | class` of each run of characters, ascending, uint32 (n,).
    table: uint8 (states, classes), next state and MATCHED. starts: a state for each regex.
    """

    classes: npt.NDArray[np.uint32]
    table: npt.NDArray[np.uint8]
    starts: tuple[int, ...]


@lru_cache(maxsize=16)
def compile_regexes(regexes: tuple[str, ...]) -> Automaton:
    """One alphabet of classes and one numbering of states for all of them."""
    programs = [compile_pattern(regex) for regex in regexes]
    sets = [
        step.set
        for program in programs
        for step in program.instructions
        if isinstance(step, Take | NotNext)
    ]
    class_of_run, samples = _classes(sets)
    rows: list[list[int]] = [[DEAD] * (len(samples) + 1)]
    starts = []
    for program in programs:
        starts.append(len(rows))
        rows += _states(program, samples, len(rows))
    if len(rows) > MAX_STATES:
        raise ValueError(f"{len(rows)} states of {regexes}, at most {MAX_STATES} fit an entry")
    if len(samples) > MAX_CLASSES:
        raise ValueError(f"{len(samples)} classes of {regexes}, at most {MAX_CLASSES} fit a byte")
    if any(rows[start][END] for start in starts):
        raise ValueError(f"one of {regexes} matches the empty text")
    firsts, _ = runs()
    change = np.flatnonzero(np.diff(class_of_run, prepend=-1))
    return Automaton(
        classes=(firsts[change].astype(np.int64) << 8 | class_of_run[change]).astype(np.uint32),
        table=np.array(rows, np.uint8),
        starts=tuple(starts),
    )


def _classes(sets: list[CharacterSet]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """The class of each run, from 1, and a run of each class: equal runs are in the same sets."""
    members = np.array(sets).T
    _, samples, classes = np.unique(members, axis=0, return_index=True, return_inverse=True)
    return classes.reshape(-1) + 1, samples.tolist()


def _states(program: Program, samples: list[int], first: int) -> list[list[int]]:
    """Rows of the states that the program reaches, numbered from `first`."""
    start = _places(program, [program.start])
    numbers: dict[State, int] = {(): DEAD, start: first}
    waiting = [start]
    rows = []
    while waiting:
        state = waiting.pop(0)
        matched, _ = _step(program, state, None)
        row = [MATCHED * matched]
        for sample in samples:
            matched, following = _step(program, state, sample)
            if following not in numbers:
                numbers[following] = first + len(numbers) - 1
                waiting.append(following)
            row.append(MATCHED * matched | numbers[following])
        rows.append(row)
    return rows


def _places(program: Program, waiting: list[int]) -> State:
    """What to try, best first, with every Split followed."""
    found: dict[int, None] = {}  # a set that keeps its order
    seen = set()
    stack = waiting[::-1]
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        step = program.instructions[place]
        if isinstance(step, Split):
            stack += [step.second, step.first]
        else:
            found[place] = None
            if isinstance(step, Match):
                break
    return tuple(found)


def _step(program: Program, state: State, run: int | None) -> tuple[bool, State]:
    """Whether the text so far is a match, knowing the next character; and the state after it.

    run: of the next character; None: the text ends.
    """
    following: list[int] = []
    stack = list(state[::-1])
    seen = set()
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        step = program.instructions[place]
        if isinstance(step, Match):
            return True, _places(program, following)
        if isinstance(step, Split):
            stack += [step.second, step.first]
        elif isinstance(step, NotNext):
            if run is None or not step.set[run]:
                stack.append(step.next)
        elif run is not None and step.set[run]:
            following.append(step.next)
    return False, _places(program, following)
