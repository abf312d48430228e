"""Who and what a story is about: words for the roles of a plot."""

from random import Random

from harness.train.corpus.data import words
from harness.train.corpus.plot import Plot
from harness.train.corpus.split import Split

PRONOUNS = {
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself", "He": "He", "His": "His"},
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself", "He": "She", "His": "Her"},
}


def choose(rng: Random, plot: Plot, split: Split) -> dict[str, str]:
    """Slots for every role: `h` the hero, `f` a friend, `g` someone older, `n` a neighbour."""
    slots: dict[str, str] = {}
    settings = plot.settings
    animal = settings["cast"] == "animal" or (settings["cast"] == "any" and rng.random() < 0.4)
    slots["cast"] = "animal" if animal else "child"
    hero, friend = _two(rng, animal, split)
    old = words.OLD_ANIMALS if animal else words.FAMILY
    if split == "train":
        old += words.MORE_OLD_ANIMALS if animal else words.MORE_FAMILY
    for role, (name, kind, gender) in (
        ("h", hero),
        ("f", friend),
        ("g", (*_other(rng, old),)),
        ("n", (*_other(rng, words.NEIGHBOURS),)),
    ):
        _person(slots, role, name, kind, gender)
    slots.update(PRONOUNS[hero[2]])
    slots["trait"], slots["trait2"] = rng.sample(words.TRAITS, 2)
    for role in ("o", "t"):
        if role in settings:
            _thing(slots, role, settings[role], rng)
    used = ""
    for role in ("p", "q"):
        if role in settings:
            used = _place(slots, role, settings[role], rng, animal, used)
    weather = settings["weather"]
    slots["weather"] = rng.choice(words.WEATHER[weather])
    slots["month"] = rng.choice(words.MONTHS.get(weather, words.ANY_MONTH))
    slots["time"] = rng.choice(words.TIMES[settings["time"]])
    slots["end"] = rng.choice(words.ENDS[settings["end"]])
    return slots


def _two(
    rng: Random, animal: bool, split: Split
) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    if animal:
        names = rng.sample(words.ANIMAL_NAMES, 2)
        kinds = rng.sample(words.ANIMALS + (words.MORE_ANIMALS if split == "train" else ()), 2)
        return (names[0], kinds[0], rng.choice("mf")), (names[1], kinds[1], rng.choice("mf"))
    people = []
    for pool, kind, gender in ((words.GIRLS, "girl", "f"), (words.BOYS, "boy", "m")):
        people += [(name, kind, gender) for name in rng.sample(pool, 2)]
    rng.shuffle(people)
    return people[0], people[1]


def _other(rng: Random, pool: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    name, gender = rng.choice(pool)
    return name, "", gender


def _person(slots: dict[str, str], role: str, name: str, kind: str, gender: str) -> None:
    slots[role] = name
    slots[f"{role}.s"] = f"{name}'s"
    slots[f"{role}.kind"] = kind
    for word, form in PRONOUNS[gender].items():
        slots[f"{role}.{word}"] = form


def _thing(slots: dict[str, str], role: str, kind: str, rng: Random) -> None:
    noun = rng.choice(words.NOUNS[kind])
    look = rng.choice(words.THING_LOOKS[kind])
    slots[role] = noun
    slots[f"{role}.look"] = look
    slots[f"{role}.a"] = f"a {look} {noun}"


def _place(
    slots: dict[str, str], role: str, kind: str, rng: Random, animal: bool, used: str
) -> str:
    pool = words.PLACES["nature" if animal and kind == "wild" else kind]
    noun, at, to = rng.choice([place for place in pool if place[0] != used])
    slots[role], slots[f"{role}.at"], slots[f"{role}.to"] = noun, at, to
    return noun
