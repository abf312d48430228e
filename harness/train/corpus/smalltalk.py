"""Greetings, names, thanks and goodbyes: each has one answer, wherever in a talk it comes."""

from random import Random

from harness.train.corpus.data.words import BOYS, GIRLS
from harness.train.corpus.split import Split, sections
from harness.train.corpus.template import fill

HELP = "How can I help you?"
ABLE = "I can tell stories, answer questions, do sums, read the clock and switch devices."
PARTS = ("morning", "afternoon", "evening")
ANSWERS = {
    "hello": f"Hello! {HELP}",
    "hello part": f"Good {{part}}! {HELP}",
    "how": f"I am well, thank you. {HELP}",
    "able": ABLE,
    "thanks": "You are welcome.",
    "bye": "Goodbye!",
}
_GREETINGS = ("hello", "hello", "hello part", "how")


def say(rng: Random, split: Split, what: str) -> tuple[str, str]:
    """Something of section `what` of chat.txt, and its answer."""
    part = rng.choice(PARTS)
    text = fill(sections("chat")[what].pick(rng, split), rng, {"part": part})
    return text, ANSWERS[what].format(part=part)


def exchanges(rng: Random, split: Split) -> list[tuple[str, str]]:
    """One to five turns of small talk; any of them may be the first."""
    turns = [say(rng, split, rng.choice(_GREETINGS))] if rng.random() < 0.5 else []
    if rng.random() < 0.25:
        turns += _names(rng, split)
    for what, share in (("how", 0.15), ("able", 0.35), ("thanks", 0.45), ("bye", 0.3)):
        if rng.random() < share:
            turns.append(say(rng, split, what))
    return turns or [say(rng, split, rng.choice(tuple(ANSWERS)))]


def _names(rng: Random, split: Split) -> list[tuple[str, str]]:
    chat = sections("chat")
    name = rng.choice((*GIRLS, *BOYS))
    turns = [(fill(chat["name"].pick(rng, split), rng, {"name": name}), f"Hello, {name}!")]
    if rng.random() < 0.5:
        turns.append((fill(chat["my name"].pick(rng, split), rng, {}), f"Your name is {name}."))
    return turns
