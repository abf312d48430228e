"""The default model on the booted kernel: prompts that no training text holds."""

import re

import pytest

from harness.cli.default_model import TRAINED
from harness.cli.evaluate import Answered, ask, failures, report
from harness.train.corpus import evaluation
from tests.target.machine import Workshop

pytestmark = [
    pytest.mark.target,
    pytest.mark.skipif(not TRAINED.is_file(), reason=f"{TRAINED} is not there"),
]


@pytest.fixture(scope="module")
def answers(workshop: Workshop) -> list[Answered]:
    with workshop.session(workshop.image(TRAINED)) as session:
        found = ask(session, evaluation())
    assert found is not None
    return found


def test_the_card_tells_what_the_kernel_answers(answers: list[Answered]) -> None:
    """Exactly: the same bits everywhere give the same answers everywhere."""
    print(report(answers))  # pytest -s: the table, and the stories
    assert len(answers) == 50
    card = (TRAINED.parent / "bareword-default.md").read_text(encoding="utf-8")
    claims = re.findall(r"^\| ([a-z-]+) \| (\d+) \| (\d+) \|$", card, re.M)
    assert len(claims) == 5
    for kind, right, of in claims:
        judged = [answer for answer in answers if answer.case.kind == kind]
        assert (sum(answer.right for answer in judged), len(judged)) == (int(right), int(of)), kind


def test_held_out_commands_sums_and_times_are_answered_exactly(answers: list[Answered]) -> None:
    """95 % of commands, 90 % of sums and clock times."""
    assert failures(answers) == []


def test_stories_repeat_no_sentence(answers: list[Answered]) -> None:
    stories = [answer for answer in answers if answer.case.kind == "story"]
    assert len(stories) == 3
    for story in stories:
        sentences = [part.strip() for part in story.text.split(".") if part.strip()]
        assert len(sentences) > 2
        assert len(set(sentences)) == len(sentences)
