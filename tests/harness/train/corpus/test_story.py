"""Stories are consistent and grammatical."""

import re
from functools import cache
from random import Random

import pytest

from harness.train.corpus.data import listed
from harness.train.corpus.plot import Plot, plots
from harness.train.corpus.questions import questions
from harness.train.corpus.split import Split
from harness.train.corpus.story import Story, tell
from harness.train.corpus.world import World

TRAIN = 1500  # of the sample; the rest is held out


@cache
def sample() -> tuple[Story, ...]:
    train = [tell(Random(f"a{i}"), "train") for i in range(TRAIN)]
    return (*train, *(tell(Random(f"b{i}"), "valid") for i in range(700)))


def places_and_holders(story: Story) -> tuple[dict[str, str], dict[str, str]]:
    """Replay the log on its own, checking that each step was possible."""
    place: dict[str, str] = {}
    holder: dict[str, str] = {}
    for event in story.world.log:
        if event.verb == "go":
            assert place.get(event.who) != event.where
            place[event.who] = event.where
        elif event.verb in ("find", "take", "make"):
            assert event.what not in holder
            holder[event.what] = event.who
        elif event.verb in ("drop", "lose"):
            holder.pop(event.what, None)
        elif event.verb == "give":
            assert holder.get(event.what, event.who) == event.who
            holder[event.what] = event.whom
        assert place.setdefault(event.who, event.where) == event.where
    return place, holder


def test_there_are_many_plots() -> None:
    assert len(plots()) >= 25
    assert len({plot.name for plot in plots()}) == len(plots())


@pytest.mark.slow
def test_worlds_agree_with_a_replay_of_what_happened() -> None:
    for story in sample():
        place, holder = places_and_holders(story)
        assert place.items() <= story.world.place.items()
        assert holder.items() <= story.world.holder.items()


def test_what_happened_is_in_the_text() -> None:
    for story in sample():
        for event in story.world.log:
            for role in filter(None, (event.who, event.what, event.whom)):
                assert story.slots[role] in story.text, (story.plot.name, event, story.text)
            if event.verb in ("go", "find", "make"):
                assert story.slots[event.where] in story.text, (story.plot.name, event)


def test_answers_name_only_what_the_story_names() -> None:
    common = set(
        listed(
            "Yes No It They Because He She The A afraid wanted want belonged come came was were is "
            "it got went travel used"
        )
    )
    for i, story in enumerate(sample()):
        split: Split = "train" if i < TRAIN else "valid"
        for question, answer in questions(Random(i), split, story):
            assert question[-1] in "?."
            assert answer.endswith(".")
            for word in re.findall(r"[A-Z][a-z]+", answer[1:]):
                assert word in common or word in story.text, (question, answer, story.text)
            if re.match(r"(Who|Where|What)", question):
                words = re.findall(r"[a-z-]+", answer)
                last = words[-1]
                assert last in common or last in story.text, (question, answer, story.text)


def test_found_things_are_where_they_were_left() -> None:
    stories = [s for s in sample() if s.plot.name == "lost_toy"]
    assert stories
    for story in stories:
        lost = next(e for e in story.world.log if e.verb == "lose")
        found = next(e for e in story.world.log if e.verb == "find")
        assert lost.where == found.where
        assert story.world.holder["o"] == "h"


@pytest.mark.parametrize("effect", ["take h o", "give h f o", "go h p", "drop h o", "help h f"])
def test_what_cannot_happen_is_refused(effect: str) -> None:
    world = World()
    for fact in ("at h p", "at f q", "lie o q"):
        world.apply(fact)
    with pytest.raises(ValueError, match="cannot happen"):
        world.apply(effect)


@pytest.mark.parametrize("plot", plots(), ids=lambda plot: plot.name)
def test_every_way_to_tell_a_plot_is_grammatical(plot: Plot) -> None:
    for i in range(60):
        text = tell(Random(i), "valid" if i % 3 == 0 else "train", plot).text
        assert text.isascii()
        assert not re.search(r"[\[\]{}|<>_+*~]|  |\s[.,!?]|\.\.(?!\.)|,,|[,;]\.|[!?]{2}", text), (
            text
        )
        assert text.count('"') % 2 == 0, text
        assert re.search(r'[.!?]"?$', text), text
        for sentence in re.split(r'(?<=[.!?]) (?=[^"])', re.sub(r'[!?]" [a-z]', "", text)):
            start = sentence.lstrip('"')
            assert start[:1].isupper() or start[:1].isdigit(), (sentence, text)
        assert not re.search(r"\b[Aa] (?:[aeio]|hon|hour)", text), text
        assert not re.search(r"\b[Aa]n [^aeiouh]", text), text
        assert not re.search(r"\b(\w+) \1\b", text.replace("had had", "")), text
        for speech in text.split('"')[1::2]:
            assert re.search(r"[.,!?]$", speech), text
            assert speech[0].isupper(), text
        assert 45 <= len(text.split()) <= 220, text


def test_stories_have_the_promised_length() -> None:
    lengths = sorted(len(story.text.split()) for story in sample())
    assert 80 < lengths[len(lengths) // 2] < 160
    assert lengths[len(lengths) // 50] >= 60
    assert lengths[-len(lengths) // 50] <= 180
