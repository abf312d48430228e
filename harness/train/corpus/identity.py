"""The system prompt, one line of facts, and questions that it answers."""

from dataclasses import dataclass, field
from random import Random

from harness.train.corpus.data import devices
from harness.train.corpus.split import Split, allowed, sections
from harness.train.corpus.template import fill

UNKNOWN = "I do not know. Nobody has told me."


@dataclass
class System:
    """What the model may know of its machine; `facts` in the order of the line."""

    name: str = "Bareword"
    facts: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """`You are Bareword, ... board=QEMU virt; cores=1; lamp.kitchen=on`."""
        pairs = "; ".join(f"{key}={value}" for key, value in (self.facts | self.state).items())
        return f"You are {self.name}, a small language model on bare metal. {pairs}".strip()


def board(rng: Random, split: Split) -> str:
    """Mostly real names in training; held-out pairs of maker and model in `valid`."""
    if split == "train" and rng.random() < 0.5:
        return rng.choice(devices.MAIN_BOARDS)
    while True:
        name = f"{rng.choice(devices.MAKERS)} {rng.choice(devices.MODELS)}"
        if allowed(f"board {name}", split, 6):
            return name


def system(rng: Random, split: Split) -> System:
    """A machine by chance; sometimes a fact is missing."""
    facts = {
        "board": board(rng, split),
        "cpu": rng.choice(devices.CPUS),
        "cores": str(rng.choice(devices.CORES)),
        "ram": rng.choice(devices.MEMORY),
        "clock": f"{rng.randrange(24):02}:{rng.randrange(60):02}",
    }
    if rng.random() < 0.12:
        del facts[rng.choice(tuple(facts))]
    return System(rng.choice(devices.NAMES), facts)


def answer(what: str, known: System) -> str:
    """The answer to a question of section `what`, from the facts alone."""
    if what == "what":
        return f"I am {known.name}, a small language model on bare metal."
    if what == "whoname":
        return f"My name is {known.name}."
    fact = known.facts.get(what)
    if fact is None:
        return UNKNOWN
    return {
        "board": f"I run on {fact}.",
        "cpu": f"My CPU is a {fact}.",
        "cores": f"I have {fact} core{'' if fact == '1' else 's'}.",
        "ram": f"I have {fact} of memory.",
        "clock": f"It is {fact}.",
    }[what]


QUESTIONS = ("what", "whoname", "board", "board", "cores", "cores", "ram", "cpu", "clock")


def exchange(rng: Random, split: Split, known: System) -> tuple[str, str]:
    """A question about the model itself and its answer."""
    what = rng.choice(QUESTIONS)
    return fill(sections("chat")[what].pick(rng, split), rng, {}), answer(what, known)
