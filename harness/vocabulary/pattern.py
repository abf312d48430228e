r"""A regex as a program of few instructions, in the order in which a backtracking matcher tries.

The subset that pre-tokenizers use: characters, escapes, `\p{..}`, `\s`, `\S`, brackets, groups,
alternatives, greedy `? * + {n} {m,n}`, and `(?!..)` around one set of characters.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from harness.vocabulary.characters import CharacterSet, of_ascii, of_category, white_space

ESCAPES: Final = {"r": "\r", "n": "\n", "t": "\t"}
OPERATORS: Final = "()[]{}?*+|\\.^$"


@dataclass(frozen=True, eq=False)
class Take:
    """One character of the set, then on."""

    set: CharacterSet
    next: int


@dataclass(frozen=True, eq=False)
class NotNext:
    """On if the next character is none of the set, or there is none."""

    set: CharacterSet
    next: int


@dataclass(frozen=True)
class Split:
    """The first way if it leads to a match, else the second."""

    first: int
    second: int


@dataclass(frozen=True)
class Match:
    """The end."""


Instruction = Take | NotNext | Split | Match


@dataclass(frozen=True)
class Program:
    """Instructions, the one to begin with, and the number of Match."""

    instructions: tuple[Instruction, ...]
    start: int


def compile_pattern(regex: str) -> Program:
    """ValueError for what is not in the subset."""
    parser = _Parser(regex)
    node = parser.alternatives()
    if parser.at != len(regex):
        raise ValueError(f"{regex!r}: {regex[parser.at]!r} at {parser.at} has no partner")
    builder = _Builder([Match()])
    start = builder.emit(node, 0)
    return Program(tuple(builder.instructions), start)


@dataclass(frozen=True, eq=False)
class _Node:
    """kind: set, not_next (both of `set`), sequence, choice, repeat (of parts[0])."""

    kind: Literal["set", "not_next", "sequence", "choice", "repeat"]
    parts: tuple["_Node", ...] = ()
    set: CharacterSet | None = None
    least: int = 1
    most: int | None = 1


class _Parser:
    def __init__(self, regex: str) -> None:
        self.regex = regex
        self.at = 0

    def alternatives(self) -> _Node:
        choices = [self._sequence()]
        while self._skip("|"):
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else _Node("choice", tuple(choices))

    def _sequence(self) -> _Node:
        parts = []
        while self.at < len(self.regex) and self.regex[self.at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return _Node("sequence", tuple(parts))

    def _repeated(self, node: _Node) -> _Node:
        for sign, (least, most) in {"?": (0, 1), "*": (0, None), "+": (1, None)}.items():
            if self._skip(sign):
                return _Node("repeat", (node,), least=least, most=most)
        if self._skip("{"):
            end = self.regex.index("}", self.at)
            numbers = [int(number) for number in self.regex[self.at : end].split(",")]
            self.at = end + 1
            return _Node("repeat", (node,), least=numbers[0], most=numbers[-1])
        return node

    def _atom(self) -> _Node:
        if self._skip("(?:"):
            node = self.alternatives()
            self._close()
            return node
        if self._skip("(?!"):
            node = _Node("not_next", set=self._set())
            self._close()
            return node
        return _Node("set", set=self._set())

    def _close(self) -> None:
        if not self._skip(")"):
            raise ValueError(f"{self.regex!r}: no ) at {self.at}")

    def _set(self) -> CharacterSet:
        if self._skip("["):
            negated = self._skip("^")
            found = self._range()
            while not self._skip("]"):
                found = found | self._range()
            return ~found if negated else found
        if self.regex[self.at] in OPERATORS and self.regex[self.at] != "\\":
            raise ValueError(f"{self.regex!r}: {self.regex[self.at]!r} at {self.at}")
        return self._one()

    def _range(self) -> CharacterSet:
        if self.regex[self.at + 1 : self.at + 2] == "-" and self.regex[self.at] != "\\":
            first, last = self.regex[self.at], self.regex[self.at + 2]
            self.at += 3
            return of_ascii(first, last)
        return self._one()

    def _one(self) -> CharacterSet:
        character = self.regex[self.at]
        self.at += 1
        if character != "\\":
            return of_ascii(character, character)
        character = self.regex[self.at]
        self.at += 1
        if character == "p":
            end = self.regex.index("}", self.at)
            category = self.regex[self.at + 1 : end]
            self.at = end + 1
            return of_category(category)
        if character in "sS":
            return white_space() if character == "s" else ~white_space()
        if character.isalnum() and character not in ESCAPES:
            raise ValueError(f"{self.regex!r}: \\{character} at {self.at - 2}")
        character = ESCAPES.get(character, character)
        return of_ascii(character, character)

    def _skip(self, text: str) -> bool:
        if not self.regex.startswith(text, self.at):
            return False
        self.at += len(text)
        return True


@dataclass
class _Builder:
    """Backwards: what comes after a node is there before the node itself."""

    instructions: list[Instruction] = field(default_factory=list)

    def emit(self, node: _Node, then: int) -> int:
        """The number of the node's first instruction."""
        if node.kind in ("set", "not_next"):
            assert node.set is not None
            return self._add((Take if node.kind == "set" else NotNext)(node.set, then))
        if node.kind == "sequence":
            for part in reversed(node.parts):
                then = self.emit(part, then)
            return then
        if node.kind == "choice":
            first, *others = (self.emit(part, then) for part in reversed(node.parts))
            for other in others:
                first = self._add(Split(other, first))
            return first
        return self._repeat(node, then)

    def _repeat(self, node: _Node, then: int) -> int:
        (part,) = node.parts
        if node.most is None:
            again = self._add(Match())  # replaced at once: the loop must know its own number
            self.instructions[again] = Split(self.emit(part, again), then)
            then = again
        else:
            after = then
            for _ in range(node.most - node.least):
                then = self._add(Split(self.emit(part, then), after))
        for _ in range(node.least):
            then = self.emit(part, then)
        return then

    def _add(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.instructions) - 1
