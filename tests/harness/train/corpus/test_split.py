"""What is held out never appears in training."""

import re
from functools import cache
from itertools import islice

import pytest

from harness.train.corpus import Document, documents
from harness.train.corpus.arithmetic import pair_allowed
from harness.train.corpus.data import devices
from harness.train.corpus.evaluation import evaluation
from harness.train.corpus.plot import plots
from harness.train.corpus.split import Split, Variants, allowed, sections
from harness.train.corpus.template import Slot, Template

SAMPLE = 6000


@cache
def sample(split: Split) -> tuple[Document, ...]:
    return tuple(islice(documents(11, split=split), SAMPLE))


def prompts(split: Split, kinds: tuple[str, ...]) -> set[str]:
    return {
        turn.text.lower().rstrip(".!?")
        for document in sample(split)
        if document.kind in kinds
        for turn in document.turns
        if turn.role == "user"
    }


def all_variants() -> list[Variants]:
    files = ("openings", "chat", "commands", "questions")
    shared = [v for name in files for v in sections(name).values()]
    return shared + [beat.ways for plot in plots() for beat in plot.beats]


def literals(template: Template) -> list[str]:
    """The longest piece of plain text of a template, if it is long enough to be a fingerprint."""
    pieces = [part for part in template.parts if isinstance(part, str)]
    return [max(pieces, key=len).strip()] if pieces else []


def test_no_phrasing_is_in_both_splits() -> None:
    for ways in all_variants():
        train = {template.source for template in ways.train}
        assert train
        assert train.isdisjoint(template.source for template in ways.valid)


def test_every_list_of_phrasings_for_people_has_held_out_ones() -> None:
    for name in ("chat", "commands", "questions"):
        for title, ways in sections(name).items():
            assert ways.valid, title


def test_every_plot_has_held_out_beats() -> None:
    for plot in plots():
        assert sum(1 for beat in plot.beats if beat.ways.valid) >= 2, plot.name


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["story", "story-question"])
def test_held_out_sentences_of_stories_are_not_in_training(kind: str) -> None:
    text = "\n".join(
        d.text or "\n".join(t.text for t in d.turns) for d in sample("train") if d.kind == kind
    )
    known = {
        piece
        for plot in plots()
        for beat in plot.beats
        for way in beat.ways.train
        for piece in re.split(r"[\[\]|{}]", way.source)
    }
    known_text = "\n".join(known)
    checked = 0
    for plot in plots():
        for beat in plot.beats:
            for way in beat.ways.valid:
                for piece in literals(way):
                    if len(piece) > 24 and piece not in known_text:
                        assert piece not in text
                        checked += 1
    assert checked > 30


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["command", "arithmetic", "clock"])
def test_prompts_of_the_splits_are_disjoint(kind: str) -> None:
    follow_up = re.compile(r"\bit\b.*(on|off|open|closed?)\b|^(in |i mean |the )|^\S+( \S+)?$")
    drills = {"arithmetic": "arithmetic-words", "clock": "clock-rare"}
    train = prompts("train", (kind, drills.get(kind, kind), "mixed"))
    valid = {p for p in prompts("valid", (kind,)) if kind != "command" or not follow_up.search(p)}
    assert len(valid) > 300
    assert train.isdisjoint(valid)


@pytest.mark.slow
def test_evaluation_prompts_are_not_in_training() -> None:
    """Those that are of one sentence; stories are long, and greetings and facts few."""
    kinds = ("command", "arithmetic", "arithmetic-words", "clock", "clock-rare", "mixed")
    train = prompts("train", kinds)
    for case in evaluation():
        if case.kind in kinds:
            assert case.turns[-1].text.lower().rstrip(".!?") not in train


def test_held_out_phrasings_use_words_that_training_has() -> None:
    def words(templates: tuple[Template, ...]) -> set[str]:
        sources = " ".join(re.sub(r"\{[^}]*\}", " ", t.source) for t in templates)
        return set(re.findall(r"[a-z']+", sources.lower()))

    train = {word for ways in all_variants() for word in words(ways.train)}
    for ways in all_variants():
        assert words(ways.valid) <= train


@pytest.mark.parametrize("operation", ["addition", "subtraction"])
def test_every_number_pair_is_in_exactly_one_split(operation: str) -> None:
    pairs = [(a, b) for a in range(100) for b in range(100)]
    valid = [pair for pair in pairs if pair_allowed(*pair, operation, "valid")]
    assert all(
        pair_allowed(*pair, operation, "train") != pair_allowed(*pair, operation, "valid")
        for pair in pairs
    )
    assert 0.04 < len(valid) / len(pairs) < 0.15


def test_training_has_the_whole_times_table_and_validation_a_part() -> None:
    pairs = [(a, b) for a in range(13) for b in range(13)]
    assert all(pair_allowed(*pair, "multiplication", "train") for pair in pairs)
    valid = [pair for pair in pairs if pair_allowed(*pair, "multiplication", "valid")]
    assert 0.04 < len(valid) / len(pairs) < 0.15


def test_every_device_and_room_is_in_training() -> None:
    for device in devices.DEVICES:
        rooms = [r for r in devices.ROOMS if allowed(f"{device}.{r}", "train", 8)]
        assert len(rooms) > len(devices.ROOMS) // 2


def test_a_template_without_slots_is_plain() -> None:
    for ways in all_variants():
        for template in (*ways.train, *ways.valid):
            assert not any("{" in p for p in template.parts if isinstance(p, str))
            assert all(p.name for p in template.parts if isinstance(p, Slot))
