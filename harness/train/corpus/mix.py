"""The endless mixture: every document from its own random generator, so any slice can be remade."""

from collections.abc import Iterator
from itertools import count
from random import Random

from harness.train.corpus import arithmetic, clock, commands, identity, smalltalk
from harness.train.corpus.document import Document, Turn
from harness.train.corpus.questions import questions
from harness.train.corpus.split import Split, sections
from harness.train.corpus.story import tell
from harness.train.corpus.template import fill, parse, polish

# Documents, not bytes: a story is as long as seven sums. What has one right answer is learnt from
# practice, so there is more of it than a person would say.
WEIGHTS = {
    "story": 8,
    "story-request": 6,
    "story-question": 10,
    "story-quiz": 10,
    "greeting": 6,
    "arithmetic": 34,
    "arithmetic-words": 12,
    "clock": 16,
    "clock-rare": 10,
    "identity": 20,
    "command": 18,
    "mixed": 10,
}
_KINDS = tuple(kind for kind, weight in WEIGHTS.items() for _ in range(weight))
TOPICS = tuple(
    parse(topic)
    for topic in (
        "{h}",
        "a {h.kind} named {h}",
        "a {h.kind}",
        "{h} and {f}",
        "{o.a}",
        "{h} and {o.a}",
    )
)

Exchange = tuple[str, str]


def documents(seed: int, *, split: Split, start: int = 0) -> Iterator[Document]:
    """Documents number `start`, `start` + 1, ... of this seed and split, without end."""
    for index in count(start):
        yield document(seed, split, index)


def document(seed: int, split: Split, index: int, kind: str = "") -> Document:
    """Document `index`, which depends on nothing but these arguments."""
    rng = Random(f"{seed}/{split}/{index}")
    chosen = _KINDS[int(rng.random() * len(_KINDS))]
    kind = kind or chosen
    if kind == "story":
        return Document(kind, text=tell(rng, split).text)
    known = identity.system(rng, split)
    spoken_to = rng.random() < {"identity": 0.85, "command": 0.6, "mixed": 0.8}.get(kind, 0.25)
    if spoken_to and kind in ("command", "mixed") and rng.random() < 0.6:
        known.state |= commands.initial_state(rng, split)
    if not spoken_to:
        known = identity.System()
    line = known.line()
    turns = [Turn("system", line)] if spoken_to else []
    for question, reply in _exchanges(rng, split, kind, known):
        turns += [Turn("user", _typed(rng, question)), Turn("assistant", reply)]
    return Document(kind, turns=tuple(turns))


def _exchanges(rng: Random, split: Split, kind: str, known: identity.System) -> list[Exchange]:
    if kind == "story-request":
        return [story_request(rng, split)]
    if kind in ("story-question", "story-quiz"):
        return story_questions(rng, split, most=9 if kind == "story-quiz" else 5)
    if kind == "greeting":
        return smalltalk.exchanges(rng, split)
    if kind == "arithmetic":
        return [arithmetic.exchange(rng, split) for _ in range(rng.randint(1, 6))]
    if kind == "arithmetic-words":
        return [arithmetic.exchange(rng, split, words=1.0) for _ in range(rng.randint(1, 6))]
    if kind == "clock":
        return [clock.exchange(rng, split) for _ in range(rng.randint(1, 5))]
    if kind == "clock-rare":
        return [clock.exchange(rng, split, later=False) for _ in range(rng.randint(1, 5))]
    if kind == "identity" and split == "train":
        return identity.practice(rng, split, known)
    if kind == "identity":
        return [identity.exchange(rng, split, known) for _ in range(rng.randint(1, 4))]
    if kind == "command":
        rounds = [commands.exchanges(rng, split, known.state) for _ in range(rng.randint(1, 4))]
        return [exchange for turns in rounds for exchange in turns]
    turns = smalltalk.exchanges(rng, split)[:1]
    for _ in range(rng.randint(2, 5)):
        part = rng.choice(("arithmetic", "clock", "identity", "command"))
        if part == "command":
            turns += commands.exchanges(rng, split, known.state)
        else:
            turns += _exchanges(rng, split, part, known)[:2]
    return turns


def story_request(rng: Random, split: Split) -> Exchange:
    """A wish for a story, and a story that is about what was wished for."""
    story = tell(rng, split)
    topics = TOPICS if story.plot.settings["o"] != "skill" else TOPICS[:4]
    slots = {"topic": fill(rng.choice(topics), rng, story.slots)}
    return polish(fill(sections("chat")["story request"].pick(rng, split), rng, slots)), story.text


def story_questions(rng: Random, split: Split, most: int = 5) -> list[Exchange]:
    """A story told or read, then one to `most` questions about it."""
    story = tell(rng, split)
    asked = questions(rng, split, story)[: rng.randint(1, most)]
    chat = sections("chat")
    if rng.random() < 0.5:
        (first, reply), *rest = asked
        read = fill(chat["story read"].pick(rng, split), rng, {"story": story.text})
        return [(f"{read} {first}", reply), *rest]
    wish = chat["story request"].pick(rng, split)
    return [(fill(wish, rng, {"topic": story.slots["h"]}), story.text), *asked]


def _typed(rng: Random, text: str) -> str:
    """As people type: sometimes a small first letter, sometimes no mark at the end."""
    kind = rng.random()
    if kind < 0.5:
        return text[0].upper() + text[1:]
    text = text[0].lower() + text[1:] if not text.startswith(("I ", "I'")) else text
    return text.rstrip(".!? ") if kind < 0.75 else text
