"""Questions about a story, answered from what happened in its world."""

from random import Random

from harness.train.corpus.split import Split, sections
from harness.train.corpus.story import Story
from harness.train.corpus.template import fill, polish


def questions(rng: Random, split: Split, story: Story) -> list[tuple[str, str]]:
    """All questions that have one clear answer, in a random order."""
    found = [*_own(rng, split, story), *_events(rng, split, story), *_last(rng, split, story)]
    rng.shuffle(found)
    unique = dict(found)
    return list(unique.items())


def _ask(rng: Random, split: Split, section: str, slots: dict[str, str]) -> tuple[str, str]:
    template = sections("questions")[section].pick(rng, split)
    question, reply = fill(template, rng, slots).split(" => ")
    return polish(question), polish(reply)


def _own(rng: Random, split: Split, story: Story) -> list[tuple[str, str]]:
    ways = story.plot.asks.valid if split == "valid" else story.plot.asks.train
    pairs = []
    for way in ways:
        question, reply = fill(way, rng, story.slots).split("\t")
        pairs.append((polish(question), polish(reply)))
    return pairs


def _events(rng: Random, split: Split, story: Story) -> list[tuple[str, str]]:
    log, slots = story.world.log, story.slots
    pairs = []
    for event in log:
        words = {"who": slots[event.who], "he": slots[f"{event.who}.he"]}
        if event.what:
            words |= {"what": slots[event.what], "a": slots[f"{event.what}.a"]}
        if event.whom:
            words["whom"] = slots[event.whom]
        if event.where:
            words |= {"at": slots[f"{event.where}.at"], "to": slots[f"{event.where}.to"]}
        alike = [e for e in log if e.verb == event.verb]
        section = event.verb
        if event.verb == "go":
            alike = [e for e in alike if e.who == event.who]
        elif event.verb == "give":
            alike = [e for e in alike if e.what == event.what]
        if len(alike) == 1 and section in sections("questions"):
            pairs.append(_ask(rng, split, section, words))
            if event.verb == "give" and rng.random() < 0.5:
                pairs.append(_ask(rng, split, "did give", words))
            if event.verb in ("find", "help") and rng.random() < 0.5:
                other = next(r for r in ("g", "f", "h") if r != event.who and r != event.whom)
                words["other"] = slots[other]
                if slots[other] in story.text:
                    pairs.append(_ask(rng, split, f"did {event.verb}", words))
    return pairs


def _last(rng: Random, split: Split, story: Story) -> list[tuple[str, str]]:
    slots, world = story.slots, story.world
    words = {"who": slots["h"], "end": slots["end"], "weather": slots["weather"]}
    words |= {"kind": slots["h.kind"], "he": slots["he"]}
    pairs = [_ask(rng, split, "feel", words), _ask(rng, split, "hero", words)]
    if f"{slots['weather']} " in story.text:
        pairs.append(_ask(rng, split, "weather", words))
    for thing, holder in world.holder.items():
        gifts = [e for e in world.log if e.what == thing and e.verb in ("give", "find", "take")]
        if gifts and story.plot.name not in ("sharing", "winter_store", "night_noise", "star"):
            words |= {"who": slots[holder], "what": slots[thing]}
            pairs.append(_ask(rng, split, "has", words))
    look = slots.get("o.look", "")
    if look and f" {look} {slots['o']}" in story.text:
        pairs.append(_ask(rng, split, "look", {"what": slots["o"], "a": slots["o.a"]}))
    return pairs
