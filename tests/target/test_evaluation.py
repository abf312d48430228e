"""The default model on the booted kernel: prompts that no training text holds."""

import os
import re
from collections.abc import Iterator
from itertools import count, islice

import pytest

from harness.cli.default_model import TRAINED
from harness.cli.evaluate import Answered, ask, failures, report
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.train.corpus import Case, document, evaluation
from tests.target.machine import Workshop, greedy

pytestmark = [
    pytest.mark.target,
    pytest.mark.skipif(not TRAINED.is_file(), reason=f"{TRAINED} is not there"),
]


N_MACHINES = 20


@pytest.fixture(scope="module")
def session(workshop: Workshop) -> Iterator[Session]:
    with workshop.session(workshop.image(TRAINED)) as session:
        yield session


@pytest.fixture(scope="module")
def answers(session: Session) -> list[Answered]:
    found = ask(session, evaluation())
    assert found is not None
    return found


def machines(fact: str) -> Iterator[Case]:
    """A held-out system turn and a held-out question for its board or CPU."""
    for index in count():
        made = document(51, "valid", index, "identity")
        opening, question, answer = made.turns[0], *made.turns[-2:]
        if opening.role == "system" and answer.text.startswith(fact):
            yield Case("machine", (opening, question), answer.text, exact=True)


def test_the_card_tells_what_the_kernel_answers(answers: list[Answered]) -> None:
    """Exactly: the same bits everywhere give the same answers everywhere."""
    print(report(answers))  # pytest -s: the table, and the stories
    assert len(answers) == 50
    card = (TRAINED.parent / "bareword-default.md").read_text(encoding="utf-8")
    claims = re.findall(r"^\| ([a-z-]+) \| (\d+) \| (\d+) \|$", card, re.M)
    assert len(claims) == 6
    for kind, right, of in claims:
        judged = [answer for answer in answers if answer.case.kind == kind]
        assert (sum(answer.right for answer in judged), len(judged)) == (int(right), int(of)), kind


ANSWERS = TRAINED.parent / "bareword-default-answers.md"


def transcript(answers: list[Answered]) -> str:
    """All fifty, as they were asked and answered; a story is what follows its opening."""
    lines = ["# What bareword-default answers to fifty prompts that no training text holds", ""]
    for number, answer in enumerate(answers, start=1):
        verdict = ("right" if answer.right else "WRONG") if answer.judged else "to be read"
        lines += [f"## {number}. {answer.case.kind}: {verdict}", ""]
        lines += [f"* {turn.role}: {turn.text}" for turn in answer.case.turns]
        lines += ["", answer.text.strip(), ""]
        if answer.judged and not answer.right:
            lines += [f"Wanted: {answer.case.answer}", ""]
    return "\n".join(lines)


def test_the_answers_beside_the_card_are_the_kernel_s(answers: list[Answered]) -> None:
    """BAREWORD_GOLDEN=rewrite writes them anew."""
    if os.environ.get("BAREWORD_GOLDEN") == "rewrite":
        ANSWERS.write_text(transcript(answers), encoding="utf-8")
    assert ANSWERS.read_text(encoding="utf-8") == transcript(answers)


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


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which board do you run on?", "I run on QEMU virt."),
        ("What CPU do you have?", "My CPU is a Cortex-A72."),
        ("How many cores do you have?", "I have 1 core."),
        ("What is your name?", "My name is Bareword."),
    ],
)
def test_it_knows_the_machine_it_runs_on(session: Session, question: str, wanted: str) -> None:
    """From the line that the kernel itself writes."""
    told = ("system", session.welcome.system)
    answer = session.generate(Prompt.of_turns(told, ("user", question)), greedy(32))
    assert answer.text.strip() == wanted


@pytest.mark.parametrize("fact", ["I run on", "My CPU is"])
def test_it_reads_the_names_of_held_out_machines(session: Session, fact: str) -> None:
    """Pairs of maker and model that training has not paired; CPUs that it has."""
    answers = ask(session, list(islice(machines(fact), N_MACHINES)))
    assert answers is not None
    wrong = [(a.case.turns[0].text, a.case.answer, a.text) for a in answers if not a.right]
    assert len(wrong) <= 0.1 * N_MACHINES, wrong
