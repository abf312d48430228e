"""Times on a twelve-hour clock: later, earlier, in words, in digits. Some pairs are held out."""

from random import Random

from harness.train.corpus.numbers import in_words
from harness.train.corpus.split import Split, allowed, sections
from harness.train.corpus.template import fill

HALF_DAY = 12 * 60


def show(minutes: int) -> str:
    """Minutes after twelve as `3:40`."""
    hour = minutes // 60 % 12
    return f"{hour or 12}:{minutes % 60:02}"


def spoken(minutes: int) -> str:
    """A time in steps of five minutes, in words: `quarter past three`, `twenty to nine`."""
    hour, past = minutes // 60 % 12, minutes % 60
    this, following = in_words(hour or 12), in_words((hour + 1) % 12 or 12)
    if past == 0:
        return f"{this} o'clock"
    names = {15: "quarter", 30: "half"}
    if past <= 30:
        return f"{names.get(past, in_words(past))} past {this}"
    return f"{names.get(60 - past, in_words(60 - past))} to {following}"


def duration(minutes: int) -> str:
    """`25 minutes`, `1 hour`, `2 hours`."""
    if minutes % 60:
        return f"{minutes} minutes"
    return "1 hour" if minutes == 60 else f"{minutes // 60} hours"


def exchange(rng: Random, split: Split, *, later: bool = True) -> tuple[str, str]:
    """A question and its answer; `later` allows what is asked most, "in ten minutes"."""
    kind = rng.random() if later else 0.5 + 0.5 * rng.random()
    while True:
        start = 5 * rng.randrange(HALF_DAY // 5)
        step = 60 * rng.randint(1, 3) if rng.random() < 0.2 else 5 * rng.randint(1, 11)
        key = f"{start}@{step}" if kind < 0.65 else f"{start}@words"
        if allowed(key, split):
            break
    if kind < 0.5:
        section, answer = "time later", f"It will be {show((start + step) % HALF_DAY)}."
    elif kind < 0.65:
        section, answer = "time earlier", f"It was {show((start - step) % HALF_DAY)}."
    elif kind < 0.85:
        section, answer = "time words", f"It is {spoken(start)}."
    else:
        section, answer = "time digits", f"It is {show(start)}."
    slots = {"t": show(start), "w": spoken(start), "d": duration(step)}
    return fill(sections("chat")[section].pick(rng, split), rng, slots), answer
