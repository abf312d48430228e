"""harness/cli/evaluate.py: what counts as right, and which prompts are asked."""

import dataclasses
import json
import re
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli import evaluate as verb
from harness.cli.evaluate import N_PREDICT, Answered, as_dict, ask, failures, prompt_of, report
from harness.cli.main import main
from harness.errors import EXIT_INTERRUPTED
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.train.corpus import Case, evaluation
from harness.train.fresh import fresh_cases

CASES = evaluation()


def answered(case: Case, text: str | None = None, stop: str = "eos") -> Answered:
    return Answered(case, case.answer if text is None else text, stop)


def all_right() -> list[Answered]:
    return [answered(case) for case in CASES]


def with_wrong(kind: str, n: int) -> list[Answered]:
    answers = all_right()
    of_kind = [i for i, answer in enumerate(answers) if answer.case.kind == kind]
    for i in of_kind[:n]:
        answers[i] = dataclasses.replace(answers[i], text="no")
    return answers


def test_all_right_is_a_pass() -> None:
    assert failures(all_right()) == []
    assert report(all_right()).endswith("verdict: PASS")


@pytest.mark.parametrize(
    ("kind", "n_wrong", "ok"),
    [("command", 1, True), ("command", 2, False), ("clock", 1, True), ("arithmetic", 2, False)],
)
def test_the_limits_are_those_of_the_project(kind: str, n_wrong: int, ok: bool) -> None:
    answers = with_wrong(kind, n_wrong)
    assert (failures(answers) == []) == ok
    text = report(answers)
    assert text.endswith("PASS" if ok else "FAIL")
    assert text.count("observed no") == n_wrong


def test_an_answer_that_did_not_end_is_not_right() -> None:
    assert answered(CASES[0]).right
    assert not answered(CASES[0], stop="length").right
    assert not answered(CASES[0], CASES[0].answer + " And more.").right


def test_json_holds_every_answer() -> None:
    found = json.loads(json.dumps(as_dict(with_wrong("command", 20))))
    assert found["ok"] is False
    assert len(found["answers"]) == len(CASES)
    assert [answer["right"] for answer in found["answers"]].count(False) == 20


def test_greetings_are_judged_and_stories_are_not() -> None:
    answers = with_wrong("greeting", 2)
    found = as_dict(answers)["counts"]
    assert found["greeting"] == {"right": 1, "of": 3}
    assert found["command"] == {"right": 20, "of": 20}
    assert "story" not in found
    text = report(answers)
    assert re.search(r"^greeting +1 +3$", text, re.M)
    assert text.count("observed no") == 2
    assert failures(answers) == []  # no limit is set for them


def test_a_seed_asks_other_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Case, ...]] = []

    def note(session: object, cases: tuple[Case, ...]) -> None:
        asked.append(cases)

    monkeypatch.setattr(verb, "ask", note)  # no answers: as if it had been interrupted
    monkeypatch.setattr(verb, "built_from", lambda options, makes: SimpleNamespace(chat="phi"))
    monkeypatch.setattr(verb, "running", lambda built, options: nullcontext())
    assert main(["evaluate"]) == main(["evaluate", "--seed", "7"]) == EXIT_INTERRUPTED
    assert asked == [evaluation(), fresh_cases(7)]


def test_a_story_is_continued_and_a_dialogue_is_told_in_turns() -> None:
    story = next(case for case in CASES if case.kind == "story")
    question = next(case for case in CASES if case.kind == "story-question")
    assert prompt_of(story) == Prompt.of_text(story.turns[0].text, parse_special=False)
    assert [s.role for s in prompt_of(question).segments] == [t.role for t in question.turns]


class FakeSession:
    """Says nothing; the answer number `aborts_at` is interrupted."""

    def __init__(self, aborts_at: int = -1) -> None:
        self.asked: list[SamplingParams] = []
        self._aborts_at = aborts_at

    def generate(self, _prompt: Prompt, params: SamplingParams, **_: Any) -> Generation:
        stop = "abort" if len(self.asked) == self._aborts_at else "eos"
        self.asked.append(params)
        return Generation((), (), (), "", stop, (), None, None)


def test_every_case_is_asked_greedily() -> None:
    session = FakeSession()
    answers = ask(session, CASES)  # type: ignore[arg-type]
    assert answers is not None
    assert [answer.case for answer in answers] == list(CASES)
    assert set(session.asked) == {SamplingParams(n_predict=N_PREDICT, temp=0.0)}


def test_an_interrupted_evaluation_says_nothing() -> None:
    assert ask(FakeSession(aborts_at=3), CASES) is None  # type: ignore[arg-type]
