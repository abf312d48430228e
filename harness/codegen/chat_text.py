"""tokenizer.chat_template -> the texts that it writes around the turns of a conversation.

A template is a program, and the kernel has no interpreter for it. Most of them put fixed texts
around each turn: rendered with sentinels for what is said, such a template shows its texts. They
are then tried on longer conversations; one that they do not foretell is named, down to the message.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Final

from harness.link.stream import timeout_scale

SANDBOX: Final = Path(__file__).parent / "chat_sandbox.py"
WALL_S: Final = 30.0  # its own limits end it much earlier; this is for a machine that stands still
TRIM_LEFT, TRIM_RIGHT = 1, 2  # sides of what is said on which white space is taken away
SPACES_LEFT, SPACES_RIGHT = " \n\t", "\t\n "
LETTER_ROLE: Final = {"s": "system", "u": "user", "a": "assistant"}
# The text before a turn, by its role and the role before it.
LEADS: Final = {
    ("", "s"): "open_system",
    ("", "u"): "open",
    ("s", "u"): "system_user",
    ("u", "a"): "told",
    ("a", "u"): "again",
}


class OddTemplateError(Exception):
    """A template that is no row of fixed texts."""


@dataclass(frozen=True)
class TextForm:
    """open U ask   or   open U told A again U ask   or   open_system S system_user U ask ...

    open_system is None when there is no system turn, and no_system then says why. `told` stands
    before a reply that is given, `ask` before one that is generated. trim: TRIM_* bits of the words
    that follow a text, by its name.
    """

    open: str
    ask: str
    told: str
    again: str
    trim: dict[str, int]
    open_system: str | None = None
    system_user: str = ""
    no_system: str = ""


@dataclass(frozen=True)
class _Try:
    """A conversation of sentinels, by the letters of its roles."""

    letters: str
    spaced: bool = False

    @property
    def roles(self) -> list[str]:
        return [LETTER_ROLE[letter] for letter in self.letters]

    @property
    def leads(self) -> list[str]:
        """The name of the text before each turn."""
        return [LEADS[pair] for pair in zip(["", *self.letters], self.letters, strict=False)]

    @property
    def sentinels(self) -> list[str]:
        # With characters that a template might escape.
        return [f"Sentinel{i}\"'<&>\\{{{{é}}}}Turn" for i in range(len(self.letters))]

    @property
    def messages(self) -> list[dict[str, str]]:
        around = (SPACES_LEFT, SPACES_RIGHT) if self.spaced else ("", "")
        return [
            {"role": role, "content": said.join(around)}
            for role, said in zip(self.roles, self.sentinels, strict=True)
        ]

    def message(self, index: int) -> str:
        """A message by its number and role."""
        return f"message {index + 1} ({self.roles[index]})"

    def odd(self, what: str) -> OddTemplateError:
        """What the template does here and should not."""
        spaced = " with spaces around their words" if self.spaced else ""
        return OddTemplateError(f"in a conversation of {', '.join(self.roles)}{spaced} it {what}")


PLAIN: Final = (_Try("u"), _Try("uau"), _Try("uauau"), _Try("uau", spaced=True))
SYSTEM: Final = (_Try("su"), _Try("suau"), _Try("suauau"), _Try("suau", spaced=True))


def text_form(template: str, names: dict[str, str]) -> TextForm:
    """The form; `names`: bos_token and eos_token. OddTemplateError: it has none."""
    rendered = _rendered(template, names, [tried.messages for tried in (*PLAIN, *SYSTEM)])
    plain, system = rendered[: len(PLAIN)], rendered[len(PLAIN) :]
    (opening, ask), (_, told, again, _) = map(_cut, PLAIN[:2], plain[:2])
    form = TextForm(opening, ask, told, again, _trims(PLAIN[-1], plain[-1]))
    _check(form, PLAIN, plain)
    try:
        (open_system, system_user, _), *_ = map(_cut, SYSTEM, system)
        trim = form.trim | _trims(SYSTEM[-1], system[-1])
        whole = replace(form, open_system=open_system, system_user=system_user, trim=trim)
        _check(whole, SYSTEM, system)
        _check(whole, PLAIN, plain)
    except OddTemplateError as odd:
        return replace(form, no_system=str(odd))
    return whole


def _cut(tried: _Try, answer: dict[str, str]) -> list[str]:
    """The texts before, between and after the sentinels."""
    if "error" in answer:
        raise tried.odd(f"fails with {answer['error']}")
    text, at = answer["text"], 0
    for index, said in enumerate(tried.sentinels):
        if (count := text.count(said)) != 1:
            verb = "repeats" if count else "changes or leaves out"
            raise tried.odd(f"{verb} {tried.message(index)}")
        if text.index(said) < at:
            raise tried.odd(f"writes {tried.message(index)} before {tried.message(index - 1)}")
        at = text.index(said)
    return re.split("|".join(map(re.escape, tried.sentinels)), text)


def _trims(tried: _Try, answer: dict[str, str]) -> dict[str, int]:
    """The sides of what is said on which no white space is left, by the text before it."""
    parts = _cut(tried, answer)
    return {
        lead: TRIM_LEFT * (not parts[i].endswith(SPACES_LEFT))
        + TRIM_RIGHT * (not parts[i + 1].startswith(SPACES_RIGHT))
        for i, lead in enumerate(tried.leads)
    }


def _check(form: TextForm, tries: Sequence[_Try], answers: Sequence[dict[str, str]]) -> None:
    """The form foretells each text, else OddTemplateError."""
    for tried, answer in zip(tries, answers, strict=True):
        parts = _cut(tried, answer)
        for index, (wanted, part) in enumerate(zip(_foretold(form, tried), parts, strict=True)):
            if part != wanted:
                last = index == len(tried.roles)
                where = f"{'after' if last else 'before'} {tried.message(index - last)}"
                alike = (a == b for a, b in zip(part, wanted, strict=False))
                at = max(0, sum(takewhile(bool, alike)) - 20)
                shown = [text[at : at + 60] for text in (part, wanted)]
                raise tried.odd(f"writes {shown[0]!r} {where}, wanted {shown[1]!r}")


def _foretold(form: TextForm, tried: _Try) -> list[str]:
    texts = [getattr(form, lead) or "" for lead in tried.leads] + [form.ask]
    if tried.spaced:
        for i, lead in enumerate(tried.leads):
            texts[i] += "" if form.trim[lead] & TRIM_LEFT else SPACES_LEFT
            right = "" if form.trim[lead] & TRIM_RIGHT else SPACES_RIGHT
            texts[i + 1] = right + texts[i + 1]
    return texts


def _rendered(
    template: str, names: dict[str, str], conversations: Sequence[list[dict[str, str]]]
) -> list[dict[str, str]]:
    """For each conversation {"text": ...}, or {"error": ...} when the template refuses it."""
    request = {"template": template, "names": names, "conversations": conversations}
    answers: list[dict[str, str]] = json.loads(_ask_sandbox(json.dumps(request)))
    return answers


@lru_cache(maxsize=4)
def _ask_sandbox(request: str) -> str:
    wall_s = WALL_S * timeout_scale()
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(SANDBOX)],
            input=request,
            capture_output=True,
            encoding="utf-8",
            timeout=wall_s,
        )
    except subprocess.TimeoutExpired:
        raise OddTemplateError(f"it was not rendered within {wall_s:.0f} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise OddTemplateError(f"it exceeds the limits of time and memory ({last[0][:200]})")
    return done.stdout
