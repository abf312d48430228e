"""The system prompt, one line of facts, and questions that it answers."""

from dataclasses import dataclass, field
from random import Random

from harness.train.corpus.data import devices
from harness.train.corpus.invented import invented
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
    """Real and invented names in training; held-out pairs of maker and model in `valid`.

    A name that nobody has read before can only be copied: that is what the invented ones teach.
    """
    if split == "train":
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(devices.MAIN_BOARDS)
        if kind < 0.65:
            return f"{invented(rng).capitalize()} {_model(rng)}"
    while True:
        name = f"{rng.choice(devices.MAKERS)} {rng.choice(devices.MODELS)}"
        if allowed(f"board {name}", split, 6):
            return name


def _model(rng: Random) -> str:
    number = str(rng.randrange(1, 100))
    return rng.choice(
        (number, rng.choice("ABCDEFGHKMNPRSTXZ") + number, rng.choice(devices.MODELS))
    )


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
    if split == "train":
        _vary(rng, facts)
    return System(rng.choice(devices.NAMES), facts)


def _vary(rng: Random, facts: dict[str, str]) -> None:
    """Numbers of no list, and often no clock: the kernel has none to tell of."""
    if "cpu" in facts and rng.random() < 0.4:
        facts["cpu"] = f"{rng.choice(devices.CPU_FAMILIES)}{rng.randrange(1, 1000)}"
    if "ram" in facts and rng.random() < 0.4:
        facts["ram"] = f"{rng.randrange(16, 8000)} MiB"
    if "clock" in facts and rng.random() < 0.4:
        del facts["clock"]


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


PRACTISED = ("what", "whoname", "board", "cores", "ram", "cpu", "clock")


def practice(rng: Random, split: Split, known: System) -> list[tuple[str, str]]:
    """Two to five different questions, board and CPU most often: their names must be copied."""
    asked = rng.sample(PRACTISED, rng.randint(2, 5))
    asked += [what for what in ("board", "cpu") if what not in asked and rng.random() < 0.6]
    rng.shuffle(asked)
    chat = sections("chat")
    return [(fill(chat[what].pick(rng, split), rng, {}), answer(what, known)) for what in asked]


def exchange(rng: Random, split: Split, known: System) -> tuple[str, str]:
    """A question about the model itself and its answer."""
    what = rng.choice(QUESTIONS)
    return fill(sections("chat")[what].pick(rng, split), rng, {}), answer(what, known)
