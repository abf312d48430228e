"""The world of a story: who is where, who holds what, and what happened, in order.

Each beat of a plot names its effects (`take h o`); an effect that cannot happen (taking what lies
in another place, giving to somebody who is not there) is a ValueError, so a plot that contradicts
itself cannot be told. Names here are roles (`h`, `o`, `p`); story.py gives them words.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """Who did what: to which thing, to or for whom, where."""

    verb: str
    who: str
    what: str = ""
    whom: str = ""
    where: str = ""


@dataclass
class World:
    """`place` holds persons; a thing has a `holder` or lies at `lying`."""

    place: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    lying: dict[str, str] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)

    def apply(self, effect: str) -> None:
        """Let one effect happen, such as `give h f o`."""
        verb, who, *rest = effect.split()
        if verb == "at":
            self.place[who] = rest[0]
        elif verb == "go":
            self._need(who in self.place and self.place[who] != rest[0], effect)
            self.place[who] = rest[0]
            self.log.append(Event("go", who, where=rest[0]))
        elif verb == "come":
            self.place[who] = self.place[rest[0]]
        elif verb == "own":
            self._need(rest[0] not in self.lying and rest[0] not in self.holder, effect)
            self.holder[rest[0]] = who
        elif verb == "lie":
            self._need(who not in self.lying and who not in self.holder, effect)
            self.lying[who] = rest[0]
        else:
            self._act(verb, who, rest, effect)

    def _act(self, verb: str, who: str, rest: list[str], effect: str) -> None:
        here = self.place[who]
        if verb in ("take", "find"):
            self._need(self.lying.pop(rest[0], "") == here, effect)
            self.holder[rest[0]] = who
            self.log.append(Event(verb, who, what=rest[0], where=here))
        elif verb in ("drop", "lose"):
            self._need(self.holder.pop(rest[0], "") == who, effect)
            self.lying[rest[0]] = here
            self.log.append(Event(verb, who, what=rest[0], where=here))
        elif verb == "make":
            self._need(rest[0] not in self.holder and rest[0] not in self.lying, effect)
            self.holder[rest[0]] = who
            self.log.append(Event(verb, who, what=rest[0], where=here))
        elif verb == "give":
            self._need(self.holder.get(rest[1]) == who and self.place[rest[0]] == here, effect)
            self.holder[rest[1]] = rest[0]
            self.log.append(Event(verb, who, what=rest[1], whom=rest[0], where=here))
        elif verb in ("help", "meet"):
            self._need(self.place[rest[0]] == here, effect)
            self.log.append(Event(verb, who, whom=rest[0], where=here))
        else:
            raise ValueError(f"unknown effect: {effect}")

    @staticmethod
    def _need(condition: bool, effect: str) -> None:
        if not condition:
            raise ValueError(f"cannot happen: {effect}")
