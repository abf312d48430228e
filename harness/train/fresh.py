"""Other held-out prompts than the fifty on record, by a seed: what chance makes of the same rules.

Beside the generator, not in it: whatever lies in its folder decides what a training text is.
"""

from itertools import count
from typing import Final

from harness.train.corpus import Case, Document, document, evaluation
from harness.train.corpus.identity import UNKNOWN

COUNTS: Final = {
    "command": 45,
    "arithmetic": 45,
    "clock": 45,
    "identity": 40,
    "story-question": 15,
    "greeting": 30,
}


def fresh_cases(seed: int) -> tuple[Case, ...]:
    """COUNTS of the `valid` split, none of the fifty, all with exact answers.

    Each once, its system line counted: of questions for the model itself there are few phrasings.
    """
    cases: list[Case] = []
    seen = {case.turns for case in evaluation()}
    for kind, wanted in COUNTS.items():
        found: list[Case] = []
        for index in count():
            case = _case(document(seed, "valid", index, kind))
            if case.turns not in seen and case.answer != UNKNOWN:
                seen.add(case.turns)
                found.append(case)
            if len(found) == wanted:
                break
        cases += found
    return tuple(cases)


def _case(made: Document) -> Case:
    """The first exchange; of a story that is told on request, the first question about it too."""
    start = 1 if made.turns[0].role == "system" else 0
    end = min(len(made.turns), start + (4 if made.kind == "story-question" else 2))
    return Case(made.kind, made.turns[: end - 1], made.turns[end - 1].text, exact=True)
