"""Dialogues: form, and answers recomputed from the words of the question."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice, pairwise

import pytest

from harness.train.corpus import Document, documents
from harness.train.corpus import document as numbered
from harness.train.corpus.clock import spoken
from harness.train.corpus.commands import BLAH, NONSENSE
from harness.train.corpus.data import devices
from harness.train.corpus.identity import UNKNOWN
from harness.train.corpus.numbers import in_words
from harness.train.corpus.split import Split

SPLITS: tuple[Split, ...] = ("train", "valid")
NUMBERS = {in_words(n): n for n in range(100)}


@cache
def sample() -> tuple[Document, ...]:
    return tuple(d for s in SPLITS for d in islice(documents(5, split=s), 3000) if d.turns)


def exchanges(kind: str) -> Iterator[tuple[str, str]]:
    for document in sample():
        if document.kind == kind:
            turns = [turn for turn in document.turns if turn.role != "system"]
            yield from ((q.text, a.text) for q, a in zip(turns[::2], turns[1::2], strict=True))


def numbers(text: str) -> list[int]:
    found = re.findall(r"\d+|[a-z]+(?:-[a-z]+)?", text.lower())
    return [int(w) if w.isdigit() else NUMBERS[w] for w in found if w.isdigit() or w in NUMBERS]


@pytest.mark.slow
def test_turns_alternate_and_end_with_the_assistant() -> None:
    for document in sample():
        roles = [turn.role for turn in document.turns]
        if roles[0] == "system":
            roles = roles[1:]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert len(roles) >= 2
        for turn in document.turns:
            assert turn.text.isascii()
            assert not re.search(r"[\[\]{}|<>~]|  |^\s|\s$", turn.text), turn.text


@pytest.mark.slow
def test_system_prompts_have_the_fixed_form() -> None:
    line = re.compile(
        r"You are [A-Z][a-z]+, a small language model on bare metal\."
        r"( [a-z_.]+=[^;=]+(; [a-z_.]+=[^;=]+)*)?"
    )
    for document in sample():
        if document.turns[0].role == "system":
            assert line.fullmatch(document.turns[0].text)


def test_arithmetic_is_right() -> None:
    checked = 0
    for question, answer in exchanges("arithmetic"):
        a, b, result = numbers(answer)
        assert sorted(numbers(question)[-2:]) == sorted((a, b)), question
        if "+" in answer or "plus" in answer:
            assert a + b == result
        elif " - " in answer or "minus" in answer:
            assert a - b == result >= 0
        else:
            assert a * b == result
        assert re.fullmatch(
            r"\d+ [-+x] \d+ = \d+\.|[A-Z][a-z-]+ [a-z]+ [a-z-]+ is [a-z-]+\.", answer
        )
        checked += 1
    assert checked > 2000


def minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) % 12 * 60 + int(minute)


def test_clock_answers_are_right() -> None:
    names = {spoken(m): m for m in range(0, 720, 5)}
    assert names["quarter past three"] == minutes("3:15")
    assert names["twenty to one"] == minutes("12:40")
    checked = 0
    for question, answer in exchanges("clock"):
        times = re.findall(r"\d+:\d\d", question)
        step = re.search(r"(\d+) (minute|hour)s?", question)
        if step:
            change = int(step[1]) * (60 if step[2] == "hour" else 1)
            if re.search(r"before|ago", question):
                change = -change
            result = re.findall(r"\d+:\d\d", answer)
            assert minutes(result[0]) == (minutes(times[0]) + change) % 720, (question, answer)
            assert answer == f"It {'was' if change < 0 else 'will be'} {result[0]}."
        elif times:
            assert names[answer.removeprefix("It is ")[:-1]] == minutes(times[0])
        else:
            name = next(n for n in sorted(names, key=len, reverse=True) if n in question)
            assert minutes(answer.removeprefix("It is ")[:-1]) == names[name]
        checked += 1
    assert checked > 700


def test_commands_are_answered_in_the_fixed_form() -> None:
    setting = re.compile(r"([a-z]+)\.([a-z_]+)(?:\.volume)?=([a-z]+|\d+%?)")
    checked = 0
    before = ""
    for question, answer in exchanges("command"):
        if "=" in answer:
            for part in answer.split("; "):
                match = setting.fullmatch(part)
                assert match, answer
                assert match[1] in devices.DEVICES
                assert match[2] in devices.ROOMS
                if match[3].rstrip("%").isdigit():
                    assert match[3].rstrip("%") in before + question
            checked += 1
        else:
            assert re.match(r"In which room\?|Sorry, I |I do not know\. |Yes, |No, ", answer), (
                answer
            )
        before = question
    assert checked > 900


def test_questions_about_state_agree_with_what_was_said() -> None:
    checked = 0
    for document in sample():
        if document.kind not in ("command", "mixed"):
            continue
        said = question = ""
        for turn in document.turns:
            match = re.fullmatch(
                r"(Yes|No), the (\w+) in the ([\w ]+) (?:is|are) (\w+)\.", turn.text
            )
            if match:
                key = f"{match[2]}.{match[3].replace(' ', '_')}"
                values = re.findall(rf"{re.escape(key)}=(\w+)", said)
                assert values[-1] == match[4], (key, said)
                asked = re.search(rf"\b{match[4]}\b", question)
                assert bool(asked) == (match[1] == "Yes"), (question, turn.text)
                checked += 1
            question = turn.text
            said += f"{turn.text}\n"
    assert checked > 30


@pytest.mark.parametrize(
    ("word", "fact"), [("cores", "cores"), ("memory", "ram"), ("CPU", "cpu"), ("board", "board")]
)
def test_identity_is_read_from_the_system_prompt(word: str, fact: str) -> None:
    checked = 0
    for document in sample():
        if document.kind != "identity":
            continue
        first = document.turns[0]
        facts = dict(re.findall(r"(\w+)=([^;]+)", first.text)) if first.role == "system" else {}
        turns = [turn.text for turn in document.turns if turn.role != "system"]
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            own = {"cores": "cores", "memory": "memory|RAM", "CPU": "CPU", "board": "your board"}
            other = "cores|memory|RAM|CPU" if word == "board" else "^$"
            if re.search(own[word], question) and not re.search(other, question):
                assert answer == UNKNOWN or facts[fact] in answer, (question, answer)
                assert (answer == UNKNOWN) == (fact not in facts)
                checked += 1
    assert checked > 10


def test_training_shares_no_nonsense_with_the_held_out_prompts() -> None:
    heard = {split: set[str]() for split in SPLITS}
    for split in SPLITS:
        for made in (numbered(9, split, i, "command") for i in range(3000)):
            for question, reply in pairwise(made.turns):
                if reply.text == NONSENSE:
                    heard[split] |= set(re.findall("[a-z]+", question.text.lower()))
    assert heard["valid"] <= set(BLAH)
    assert len(heard["train"]) > 20
    assert not heard["train"] & set(BLAH)


def test_practice_asks_most_for_what_must_be_copied() -> None:
    """And the names to be copied are of very many, so that none is worth remembering."""
    boards = Counter(
        made.turns[i + 1].text
        for made in (numbered(9, "train", i, "identity") for i in range(2000))
        for i, turn in enumerate(made.turns)
        if re.search("board|running on|machine do|hardware|computer do", turn.text)
    )
    told = [text for text in boards if text.startswith("I run on ")]
    assert sum(boards[text] for text in told) > 1000
    assert len(told) > 500
