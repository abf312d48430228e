"""Fifty held-out prompts with the answers they should get."""

import re
from collections import Counter
from dataclasses import dataclass

from harness.train.corpus.document import Document, Turn
from harness.train.corpus.identity import UNKNOWN
from harness.train.corpus.mix import document

SEED = 50
COUNTS = {
    "command": 20,
    "arithmetic": 10,
    "clock": 5,
    "identity": 5,
    "story-question": 4,
    "greeting": 3,
    "story": 3,
}
OPENING_WORDS = 12
ALIKE = 2  # sums with one sign, or clock answers in one tense
_SHAPE = re.compile(r" ([-+x]|plus|minus|times|will|was|is) ")


@dataclass(frozen=True)
class Case:
    """Turns to send, ending with the user's; `exact` if only this very answer is right.

    A story has one user turn, the opening of a plain text to be continued, and is read by people.
    """

    kind: str
    turns: tuple[Turn, ...]
    answer: str
    exact: bool


def evaluation() -> tuple[Case, ...]:
    """The same fifty cases always; each prompt is of the `valid` split."""
    cases: list[Case] = []
    for kind, wanted in COUNTS.items():
        seen: set[str] = set()
        shapes: Counter[str] = Counter()
        index = 1000 * len(cases)
        while len(seen) < wanted:
            case = _case(document(SEED, "valid", index, kind))
            index += 1
            shape = _SHAPE.search(case.answer) if kind in ("arithmetic", "clock") else None
            if shape:
                shapes[shape[1]] += 1
            if shape and shapes[shape[1]] > ALIKE:
                continue
            prompt = case.turns[-1].text.lower().rstrip(".!?")
            if prompt not in seen and case.answer != UNKNOWN:
                seen.add(prompt)
                cases.append(case)
    return tuple(cases)


def _case(document: Document) -> Case:
    if document.text:
        words = document.text.split(" ")
        opening = Turn("user", " ".join(words[:OPENING_WORDS]))
        return Case("story", (opening,), " ".join(words[OPENING_WORDS:]), exact=False)
    last = 4 if document.kind == "story-question" else 2
    turns = document.turns
    start = 1 if turns[0].role == "system" else 0
    end = min(len(turns), start + last)
    return Case(document.kind, turns[: end - 1], turns[end - 1].text, document.kind != "greeting")
