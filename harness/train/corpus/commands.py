"""Device commands and their fixed answers (`lamp.kitchen=on`), questions about state, refusals.

Held out: phrasings, and one in eight pairs of device and room. A held-out command has its frame
(`please ...`), its core (`turn on ...`) or both from the held-out lines.
"""

from random import Random

from harness.train.corpus.data import devices, listed
from harness.train.corpus.identity import UNKNOWN
from harness.train.corpus.invented import invented
from harness.train.corpus.split import Split, Way, allowed, sections
from harness.train.corpus.template import fill

Exchange = tuple[str, str]
ROOM_QUESTION = "In which room?"
NONSENSE = "Sorry, I do not understand."
BLAH = listed("blip zorp wug flonk drib snarf quop mib trag pluff vex zim grut blorp fep")


def place(rng: Random, split: Split) -> tuple[str, str]:
    """A device and a room of this split."""
    while True:
        device, room = rng.choice(tuple(devices.DEVICES)), rng.choice(devices.ROOMS)
        if allowed(f"{device}.{room}", split, 8):
            return device, room


def spoken(rng: Random, device: str, room: str) -> str:
    """`the lamp in the kitchen` or `the kitchen lamp`."""
    room = room.replace("_", " ")
    return f"the {room} {device}" if rng.random() < 0.35 else f"the {device} in the {room}"


def core(rng: Random, way: Way, device: str, where: str) -> tuple[str, str, str]:
    """A bare order such as `turn on the lamp`, what it does, and the new value."""
    action = rng.choice(devices.DEVICES[device])
    slots = {"x": where, "is": "are" if device in devices.PLURAL else "is"}
    value = devices.VALUES.get(action, "")
    if not value:
        levels = devices.OVEN_LEVELS if device == "oven" else devices.LEVELS[action]
        slots["v"] = str(rng.choice(levels))
        value = slots["v"] + ("%" if action == "dim" else "")
    return fill(sections("commands")[action].pick(rng, way), rng, slots), action, value


def key_of(device: str, room: str, action: str) -> str:
    """What the answer sets: `lamp.kitchen`, `radio.office.volume`."""
    return f"{device}.{room}.volume" if action == "volume" else f"{device}.{room}"


def _splits(rng: Random, split: Split) -> tuple[Way, Way]:
    if split == "train":
        return "all", "all"
    return rng.choice((("valid", "valid"), ("valid", "train"), ("train", "valid")))


def exchanges(rng: Random, split: Split, state: dict[str, str]) -> list[Exchange]:
    """One to three turns around a command; `state` learns what was set."""
    kind = rng.random()
    if kind < 0.08:
        return [_refusal(rng, split)]
    if kind < 0.2:
        return [_state_question(rng, split, state)]
    frame, inner = _splits(rng, split)
    polite = sections("commands")["polite"].pick(rng, frame)
    device, room = place(rng, split)
    if kind < 0.28:
        order, action, value = core(rng, inner, device, f"the {device}")
        slots = {"c": order, "r": room.replace("_", " ")}
        state[key_of(device, room, action)] = value
        reply = fill(sections("commands")["room"].pick(rng, split), rng, slots)
        done = f"{key_of(device, room, action)}={value}"
        return [(fill(polite, rng, slots), ROOM_QUESTION), (reply, done)]
    order, action, value = core(rng, inner, device, spoken(rng, device, room))
    done = f"{key_of(device, room, action)}={value}"
    state[key_of(device, room, action)] = value
    if kind < 0.38:
        first = (device, room)
        while (device, room) == first:
            device, room = place(rng, split)
        second, action, value = core(rng, inner, device, spoken(rng, device, room))
        state[key_of(device, room, action)] = value
        both = sections("commands")["and"].pick(rng, frame)
        text = fill(both, rng, {"c": order, "c2": second})
        return [(text, f"{done}; {key_of(device, room, action)}={value}")]
    turns = [(fill(polite, rng, {"c": order}), done)]
    if kind < 0.46 and action in ("on", "off"):
        value = devices.REVERSE[action]
        again = sections("commands")["again"].pick(rng, split)
        state[f"{device}.{room}"] = value
        turns.append((fill(again, rng, {"v": value}), f"{device}.{room}={value}"))
    return turns


def _refusal(rng: Random, split: Split) -> Exchange:
    chat, commands = sections("chat"), sections("commands")
    kind = rng.random()
    if kind < 0.3:
        words = {"blah": _nonsense(rng, split)}
        return fill(chat["nonsense"].pick(rng, split), rng, words), NONSENSE
    while True:
        device, room = rng.choice(devices.NOT_DEVICES), rng.choice(devices.ROOMS)
        if kind > 0.7:
            device, room = rng.choice(tuple(devices.DEVICES)), rng.choice(devices.NOT_ROOMS)
        if allowed(f"{device}.{room}", split, 8):
            break
    what = f"device {device}" if kind <= 0.7 else f"room {room}"
    where = f"the {device} in the {room.replace('_', ' ')}"
    action = rng.choice(("on", "off", "open", "close"))
    if kind > 0.7:
        action = rng.choice([a for a in devices.DEVICES[device] if a in devices.VALUES])
    slots = {"x": where, "is": "are" if device in devices.PLURAL else "is"}
    slots["c"] = fill(commands[action].pick(rng, split), rng, slots)
    return fill(
        commands["polite"].pick(rng, split), rng, slots
    ), f"Sorry, I do not know the {what}."


def _nonsense(rng: Random, split: Split) -> str:
    """Of the list in `valid`; any other word in training."""
    if split == "valid":
        return rng.choice(BLAH)
    while (word := invented(rng)) in BLAH:
        pass
    return word


def switchable(state: dict[str, str]) -> list[str]:
    """Keys whose value can be asked about with yes or no."""
    return [k for k, v in state.items() if v in ("on", "off", "open", "closed")]


def _state_question(rng: Random, split: Split, state: dict[str, str]) -> Exchange:
    known = switchable(state)
    if known and rng.random() < 0.85:
        device, room = rng.choice(known).split(".")
    else:
        device, room = _unsaid(rng, split, state)
    now = state.get(f"{device}.{room}", "")
    value = rng.choice(("on", "off") if "on" in devices.DEVICES[device] else ("open", "closed"))
    verb = "are" if device in devices.PLURAL else "is"
    where = f"the {device} in the {room.replace('_', ' ')}"
    slots = {"x": where, "v": value, "is": verb}
    question = fill(sections("commands")["state"].pick(rng, split), rng, slots)
    if verb == "are":
        question = question.replace(f"is {where} ", f"are {where} ")
    if not now:
        return question, UNKNOWN
    return question, f"{'Yes' if now == value else 'No'}, {where} {verb} {now}."


def _unsaid(rng: Random, split: Split, state: dict[str, str]) -> tuple[str, str]:
    """A device that can be on or open, about which nothing is known."""
    while True:
        device, room = place(rng, split)
        if f"{device}.{room}" not in state and not {"on", "open"}.isdisjoint(
            devices.DEVICES[device]
        ):
            return device, room


def initial_state(rng: Random, split: Split) -> dict[str, str]:
    """A few devices and how they stand, for the system prompt."""
    state = {}
    for _ in range(rng.randint(1, 4)):
        device, room = place(rng, split)
        action = rng.choice(devices.DEVICES[device])
        if action in ("on", "off", "open", "close"):
            state[f"{device}.{room}"] = devices.VALUES[action]
    return state
