"""tokenizer.chat_template -> what stands between the turns, as token ids and text.

A template is a program, and the kernel has no interpreter for it. Most of them do no more than put
fixed markers around each turn: rendered with sentinels for the turns, such a template shows its
markers, and the kernel needs nothing else. One that does more is not used, and the build says why.
"""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from harness.gguf import Model, Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED
from harness.link.stream import timeout_scale

SANDBOX: Final = Path(__file__).parent / "chat_sandbox.py"
WALL_S: Final = 30.0  # its own limits end it much earlier; this is for a machine that stands still
FORM_MAX: Final = 4096  # numbers of 4 bytes each, within the kernel's budget
SYSTEM_LINE_KEY: Final = "bareword.system_line"
SPECIAL: Final = (TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED)

Piece = tuple[int | bytes, ...]  # ids of special tokens, and text between them


@dataclass(frozen=True)
class ChatForm:
    """The pieces of a conversation; `open_system` is None when the template takes no system turn.

    open U ask A again U ask A ...   or   open_system S system_user U ask A again U ...

    `reply` stands before a reply that is told and not generated: Llama 2 puts a space there, which
    it generates by itself otherwise.
    """

    open: Piece
    open_system: Piece | None
    system_user: Piece
    ask: Piece
    reply: Piece
    again: Piece


@dataclass(frozen=True)
class Chat:
    """The form of a model's conversations; without one `problem` says why, unless there is no
    template. `system_line` is what the model expects to be told before the machine's facts.
    `marks`: the user-defined tokens among the form's; any text may become a user-defined token,
    but what is said in a turn must not become one of these.
    """

    form: ChatForm | None = None
    problem: str = ""
    system_line: str = ""
    marks: Piece = ()


class _OddTemplateError(Exception):
    """A template that is no row of fixed markers."""


def chat_of(model: Model) -> Chat:
    """What the model's template does, as far as the kernel can do it too."""
    if model.chat_template is None:
        return Chat()
    try:
        form = _form(model.chat_template, model.vocabulary)
    except _OddTemplateError as odd:
        return Chat(problem=f"the chat template is not used: {odd}")
    line = model.metadata.get(SYSTEM_LINE_KEY)
    known = isinstance(line, str) and form.open_system is not None
    return Chat(form, system_line=str(line) if known else "", marks=_marks(form, model.vocabulary))


def markers(model: Model, chat: Chat) -> frozenset[int]:
    """The ids that what is said in a turn never becomes, whatever it spells."""
    control = np.isin(model.vocabulary.types, (TOKEN_CONTROL, TOKEN_UNKNOWN))
    return frozenset(np.flatnonzero(control).tolist()) | {int(i) for i in chat.marks}


def fragments(form: ChatForm, turns: Sequence[tuple[str, bytes]], *, first: bool = True) -> Piece:
    """The whole prompt of some (role, text): what the kernel makes of the same turns."""
    result: list[int | bytes] = []
    before = "start" if first else "assistant"
    for role, text in turns:
        if role == "system":
            result += [*(form.open_system or ()), text]
        elif role == "user":
            lead = {"start": form.open, "system": form.system_user, "assistant": form.again}
            result += [*lead[before], text, *form.ask]
        else:
            result += [*form.reply, text]
        before = role
    return _joined(result)


def _marks(form: ChatForm, vocabulary: Vocabulary) -> Piece:
    pieces = [getattr(form, field.name) or () for field in dataclasses.fields(form)]
    ids = {part for piece in pieces for part in piece if isinstance(part, int)}
    return tuple(sorted(i for i in ids if vocabulary.types[i] == TOKEN_USER_DEFINED))


def _joined(parts: Sequence[int | bytes]) -> Piece:
    """Neighbouring texts become one: they are tokenised together."""
    result: list[int | bytes] = []
    for part in parts:
        last = result[-1] if result else 0
        if isinstance(part, bytes) and isinstance(last, bytes):
            result[-1] = last + part
        elif part != b"":
            result.append(part)
    return tuple(result)


def _form(template: str, vocabulary: Vocabulary) -> ChatForm:
    system, *said = (f"Sentinel{i}Turn" for i in range(6))
    users, replies = said[::2], said[1::2]
    asked = {"role": "user", "content": users[0]}
    dialogue = [
        {"role": "user" if text in users else "assistant", "content": text} for text in said
    ]
    names = {"bos_token": _text(vocabulary, vocabulary.bos_id)}
    names["eos_token"] = _text(vocabulary, vocabulary.eos_id)
    one, three, instructed = _rendered(
        template, names, ([asked], dialogue, [{"role": "system", "content": system}, asked])
    )
    opening, ask = _cut(one, users[:1])
    first, *between, last = _cut(three, said)
    asks, agains = set(between[::2]), set(between[1::2])
    told = asks.pop()
    alike = first == opening and last == ask and told.startswith(ask)
    if not alike or asks or len(agains) > 1:
        raise _OddTemplateError("it writes the turns of one role in more than one way")
    pieces = _Pieces(vocabulary)
    open_system, system_user = None, ""
    if instructed is not None and system in instructed:
        text, system_user, ask_after = _cut(instructed, [system, users[0]])
        if ask_after != ask:
            raise _OddTemplateError("it writes the user's turn otherwise after a system turn")
        open_system = pieces.begin(text)
    assert len(replies) == 2
    form = ChatForm(
        open=pieces.begin(opening),
        open_system=open_system,
        system_user=pieces.of(system_user),
        ask=pieces.of(ask),
        reply=pieces.of(told.removeprefix(ask)),
        again=pieces.of(agains.pop()),
    )
    size = sum(_size(getattr(form, field.name) or ()) for field in dataclasses.fields(form))
    if size > FORM_MAX:
        raise _OddTemplateError(
            f"it writes {size} bytes and special tokens around turns, wanted {FORM_MAX} at most"
        )
    return form


def _size(piece: Piece) -> int:
    return sum(len(part) if isinstance(part, bytes) else 1 for part in piece)


def _cut(text: str | None, sentinels: Sequence[str]) -> list[str]:
    """What stands around the sentinels, each of which stands in the text once, in this order."""
    if text is None:
        raise _OddTemplateError("it refuses a dialogue of user and assistant")
    if any(text.count(sentinel) != 1 for sentinel in sentinels):
        raise _OddTemplateError("it changes, repeats or leaves out what was said")
    parts = re.split("|".join(map(re.escape, sentinels)), text)
    if "".join(a + b for a, b in zip(parts, [*sentinels, ""], strict=True)) != text:
        raise _OddTemplateError("it changes the order of the turns")
    return parts


class _Pieces:
    """Splits text at the special tokens of a vocabulary, the longest first."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ids = {
            text: i
            for i, (text, kind) in enumerate(
                zip(vocabulary.tokens, vocabulary.types.tolist(), strict=True)
            )
            if kind in SPECIAL and text.strip()  # a user-defined line break is text
        }

    def of(self, text: str) -> Piece:
        """Ids and texts in turn."""
        data = text.encode()
        # Only those that occur: of all of them, a hostile vocabulary makes a gigantic regex.
        found = sorted((special for special in self._ids if special in data), key=len, reverse=True)
        parts = re.split(b"(" + b"|".join(map(re.escape, found)) + b")", data) if found else [data]
        pieces: list[int | bytes] = []
        for part in parts:
            after = pieces[-1] if pieces else -1
            if part not in self._ids and after in self._vocabulary.swallow_space:
                part = part.lstrip()
            if part:
                pieces.append(self._ids.get(part, part))
        return tuple(pieces)

    def begin(self, text: str) -> Piece:
        """The start of the prompt: with BOS if the model wants one and the template writes none."""
        piece, vocabulary = self.of(text), self._vocabulary
        bos = vocabulary.bos_id
        if vocabulary.add_bos and bos is not None and piece[:1] != (bos,):
            return (bos, *piece)
        return piece


def _text(vocabulary: Vocabulary, token: int | None) -> str:
    return "" if token is None else vocabulary.tokens[token].decode("utf-8", "replace")


def _rendered(
    template: str, names: dict[str, str], conversations: Sequence[Sequence[dict[str, str]]]
) -> list[str | None]:
    """The conversations as the template writes them; None for one that it refuses."""
    request = {"template": template, "names": names, "conversations": conversations}
    answers = json.loads(_ask_sandbox(json.dumps(request)))
    if "error" in answers[0]:
        raise _OddTemplateError(f"it fails with {answers[0]['error']}")
    return [answer.get("text") for answer in answers]


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
        raise _OddTemplateError(f"it was not rendered within {wall_s:.0f} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise _OddTemplateError(f"it exceeds the limits of time and memory ({last[0][:200]})")
    return done.stdout
