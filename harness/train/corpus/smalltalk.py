"""Greetings, names, thanks and goodbyes."""

from random import Random

from harness.train.corpus.data.words import BOYS, GIRLS
from harness.train.corpus.split import Split, sections
from harness.train.corpus.template import fill

HELP = "How can I help you?"
ABLE = "I can tell stories, answer questions, do sums, read the clock and switch devices."
PARTS = ("morning", "afternoon", "evening")


def greeting(rng: Random, split: Split) -> tuple[str, str]:
    """A hello and its answer, which depends on what was said."""
    part = rng.choice(PARTS)
    text = fill(sections("chat")["hello"].pick(rng, split), rng, {"part": part})
    if "are you" in text.lower():
        return text, f"I am well, thank you. {HELP}"
    if part in text:
        return text, f"Good {part}! {HELP}"
    return text, f"Hello! {HELP}"


def exchanges(rng: Random, split: Split) -> list[tuple[str, str]]:
    """One to three turns of small talk."""
    chat = sections("chat")
    turns = [greeting(rng, split)] if rng.random() < 0.7 else []
    kind = rng.random()
    if kind < 0.4:
        name = rng.choice((*GIRLS, *BOYS))
        turns.append((fill(chat["name"].pick(rng, split), rng, {"name": name}), f"Hello, {name}!"))
        if kind < 0.2:
            turns.append((fill(chat["my name"].pick(rng, split), rng, {}), f"Your name is {name}."))
    elif kind < 0.6:
        turns.append((fill(chat["able"].pick(rng, split), rng, {}), ABLE))
    if kind > 0.5 or not turns:
        turns.append((fill(chat["thanks"].pick(rng, split), rng, {}), "You are welcome."))
    if rng.random() < 0.25:
        turns.append((fill(chat["bye"].pick(rng, split), rng, {}), "Goodbye!"))
    return turns
