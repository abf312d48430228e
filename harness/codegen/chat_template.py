"""tokenizer.chat_template -> what stands between the turns, as token ids and text.

The texts around the turns become pieces: ids of special tokens, and text. What is said in a turn
can spell neither: no special token comes out of it, and a turn whose words hold a mark that the
template writes as plain text (`[INST]` of Llama 2) is refused.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.codegen.chat_text import (
    TRIM_LEFT,
    TRIM_RIGHT,
    OddTemplateError,
    TextForm,
    text_form,
)
from harness.gguf import Model, Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED

FORM_MAX: Final = 4096  # numbers of 4 bytes each, within the kernel's budget
SYSTEM_LINE_KEY: Final = "bareword.system_line"
SPECIAL: Final = (TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED)
SPECIAL_MAX: Final = 1 << 15  # Gemma 3 has 6,415; each is looked for in all that a template writes
BRACKETED: Final = re.compile(rb"<+[^<>\s]+>+|\[+[^\[\]\s]+\]+|\{+[^{}\s]+\}+")

Piece = tuple[int | bytes, ...]  # ids of special tokens, and text between them


@dataclass(frozen=True)
class ChatForm:
    """The pieces of a conversation; `open_system` is None when the template takes no system turn.

    open U ask   or   open U told A again U ask   or   open_system S system_user U ask ...

    `told` stands before a reply that is given and not generated. trim_*: the sides, 1 left and 2
    right, on which the words that follow a piece lose their white space.
    """

    open: Piece = ()
    open_system: Piece | None = None
    system_user: Piece = ()
    ask: Piece = ()
    told: Piece = ()
    again: Piece = ()
    trim_open: int = 0
    trim_open_system: int = 0
    trim_system_user: int = 0
    trim_told: int = 0
    trim_again: int = 0

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All of them."""
        start = (self.open, self.open_system or (), self.system_user)
        return (*start, self.ask, self.told, self.again)


@dataclass(frozen=True)
class Chat:
    """The form of a model's conversations; without one `problem` says why, unless there is no
    template. `no_system`: why there is no system turn. `system_line` is what the model expects to
    be told before the machine's facts. `marks`: the user-defined tokens among the form's; any text
    may become a user-defined token, but what is said in a turn must not become one of these.
    `words`: the marks that are plain text; a turn that holds one is refused.
    """

    form: ChatForm | None = None
    problem: str = ""
    no_system: str = ""
    system_line: str = ""
    marks: Piece = ()
    words: tuple[bytes, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person who builds an image should know."""
        if self.problem:
            return (f"the chat template is not used: {self.problem}; the model runs without turns",)
        if self.no_system:
            return (f"the chat template has no system turn: {self.no_system}",)
        return ()


def chat_of(model: Model) -> Chat:
    """What the model's template does, as far as the kernel can do it too."""
    vocabulary = model.vocabulary
    if model.chat_template is None:
        return Chat()
    names = {"bos_token": _text(vocabulary, vocabulary.bos_id)}
    names["eos_token"] = _text(vocabulary, vocabulary.eos_id)
    try:
        texts = text_form(model.chat_template, names)
        form = _form(texts, vocabulary)
        words = _words(form, vocabulary)
    except OddTemplateError as odd:
        return Chat(problem=str(odd))
    line = model.metadata.get(SYSTEM_LINE_KEY)
    known = isinstance(line, str) and form.open_system is not None
    return Chat(
        form,
        no_system=texts.no_system,
        system_line=str(line) if known else "",
        marks=_marks(form, vocabulary),
        words=words,
    )


def markers(model: Model, chat: Chat) -> frozenset[int]:
    """The ids that what is said in a turn never becomes, whatever it spells."""
    control = np.isin(model.vocabulary.types, (TOKEN_CONTROL, TOKEN_UNKNOWN))
    return frozenset(np.flatnonzero(control).tolist()) | {int(i) for i in chat.marks}


def fragments(form: ChatForm, turns: Sequence[tuple[str, bytes]], *, first: bool = True) -> Piece:
    """The whole prompt of some (role, text): what the kernel makes of the same turns."""
    result: list[int | bytes] = []
    before = "start" if first else "assistant"
    for role, text in turns:
        lead = {"system": "open_system", "assistant": "told"}.get(role) or {
            "start": "open",
            "system": "system_user",
            "assistant": "again",
        }[before]
        result += getattr(form, lead) or ()
        result.append(_trimmed(text, getattr(form, f"trim_{lead}")))
        before = role
    if before == "user":
        result += form.ask
    return _joined(result)


def _trimmed(data: bytes, sides: int) -> bytes:
    """Without the white space that Python's str.strip takes; bytes that are no UTF-8 are none."""
    text = data.decode("utf-8", "surrogateescape")
    if sides & TRIM_LEFT:
        text = text.lstrip()
    if sides & TRIM_RIGHT:
        text = text.rstrip()
    return text.encode("utf-8", "surrogateescape")


def _marks(form: ChatForm, vocabulary: Vocabulary) -> Piece:
    ids = {part for piece in form.pieces for part in piece if isinstance(part, int)}
    return tuple(sorted(i for i in ids if vocabulary.types[i] == TOKEN_USER_DEFINED))


def _words(form: ChatForm, vocabulary: Vocabulary) -> tuple[bytes, ...]:
    """The template's plain texts that begin or end a turn.

    Whatever stands in brackets is one. A piece between turns that has nothing in brackets and no
    special token but ends of text is known by one of its words (`ASSISTANT:`).
    """
    words = {word for piece in form.pieces for word in BRACKETED.findall(b" ".join(_texts(piece)))}
    ends = {*vocabulary.eog_ids, vocabulary.eos_id}
    for piece in (form.system_user, form.ask, form.told, form.again):
        text = b" ".join(_texts(piece))
        ids = {part for part in piece if isinstance(part, int)}
        if ids - ends or BRACKETED.search(text):
            continue
        if text.strip():
            words.add(_known_by(text))
        elif not ids and piece is not form.system_user:  # a system's words may lead the user's
            raise OddTemplateError(
                "it puts nothing but white space between turns, which anyone can type"
            )
    if not all(word.decode().isprintable() for word in words):  # they are shown on terminals
        raise OddTemplateError("one of its marks cannot be printed")
    return tuple(sorted(words))


def _known_by(text: bytes) -> bytes:
    """The longest word, but a plain one, as anybody writes, only where all are plain: `User:` of
    `GPT4 Correct User:`.
    """
    words = text.split()
    odd = [w for w in words if not w.isalnum() and any(chr(c).isalnum() for c in w)]
    return max(odd or words, key=len)


def _texts(piece: Piece) -> Iterable[bytes]:
    return (part for part in piece if isinstance(part, bytes))


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


def _form(texts: TextForm, vocabulary: Vocabulary) -> ChatForm:
    pieces = _Pieces(vocabulary)

    def trim(lead: str, piece: Piece) -> int:
        """Some special tokens swallow the white space that follows them."""
        swallows = piece[-1:] != () and piece[-1] in vocabulary.swallow_space
        return texts.trim.get(lead, 0) | TRIM_LEFT * swallows

    opening, open_system = pieces.begin(texts.open), pieces.begin(texts.open_system or "")
    system_user, told = pieces.of(texts.system_user), pieces.of(texts.told)
    again = pieces.of(texts.again)
    form = ChatForm(
        open=opening,
        open_system=None if texts.open_system is None else open_system,
        system_user=system_user,
        ask=pieces.of(texts.ask),
        told=told,
        again=again,
        trim_open=trim("open", opening),
        trim_open_system=trim("open_system", open_system),
        trim_system_user=trim("system_user", system_user),
        trim_told=trim("told", told),
        trim_again=trim("again", again),
    )
    size = sum(map(_size, form.pieces))
    if size > FORM_MAX:
        raise OddTemplateError(
            f"it writes {size} bytes and special tokens around turns, wanted {FORM_MAX} at most"
        )
    return form


def _size(piece: Piece) -> int:
    return sum(len(part) if isinstance(part, bytes) else 1 for part in piece)


class _Pieces:
    """Splits text at the special tokens of a vocabulary, the longest first."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        special = np.flatnonzero(np.isin(vocabulary.types, SPECIAL))
        if len(special) > SPECIAL_MAX:
            raise OddTemplateError(
                f"the vocabulary has {len(special)} special tokens, wanted {SPECIAL_MAX} at most"
            )
        self._ids = {
            text: i
            for i in special.tolist()
            if (text := vocabulary.tokens[i]).strip()  # a user-defined line break is text
        }

    def of(self, text: str) -> Piece:
        """Ids and texts in turn."""
        data = text.encode()
        if b"\0" in data:
            raise OddTemplateError("it writes a NUL")
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
