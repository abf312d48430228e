"""Held-out prompts by a seed."""

from collections import Counter

from harness.train.corpus import evaluation
from harness.train.fresh import COUNTS, fresh_cases


def test_a_seed_chooses_as_many_of_each_kind_each_once_and_none_of_the_fifty() -> None:
    cases = fresh_cases(7)
    assert Counter(case.kind for case in cases) == COUNTS
    turns = {case.turns for case in cases}
    assert len(turns) == len(cases) == 220
    assert turns.isdisjoint(case.turns for case in evaluation())
    assert all(case.exact and case.turns[-1].role == "user" and case.answer for case in cases)
    assert cases == fresh_cases(7)
    other = {case.turns for case in fresh_cases(8)}
    assert len(other & turns) < 0.25 * len(cases)  # of greetings there are few
