"""A prompt: text in segments, or token ids; and the messages that carry it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.errors import TargetError
from harness.link.messages import (
    PROMPT_IDS_COUNT,
    PROMPT_TEXT_BYTES,
    Msg,
    PromptFlag,
    PromptTokens,
    pack_prompt_ids,
    pack_prompt_text,
)

ROLES: Final = {
    "": PromptFlag(0),
    "system": PromptFlag.SYSTEM,
    "user": PromptFlag.USER,
    "assistant": PromptFlag.ASSISTANT,
}


@dataclass(frozen=True)
class Segment:
    """Text that is tokenised on its own, with its own rules; or, with a role, a turn.

    The kernel puts the model's chat template around a turn, whose text is text whatever it spells.
    """

    text: str | bytes
    add_special: bool = False  # BOS (and EOS) as the vocabulary asks for; a turn: the first of all
    parse_special: bool = False  # "<s>" in the text is the token, not three characters
    role: str = ""

    @property
    def data(self) -> bytes:
        """The text in UTF-8; bytes that were no UTF-8 to begin with stay as they are."""
        if isinstance(self.text, bytes):
            return self.text
        return self.text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Prompt:
    """Either segments or ids."""

    segments: tuple[Segment, ...] = ()
    ids: tuple[int, ...] | None = None

    @classmethod
    def of_text(
        cls, text: str | bytes, *, add_special: bool = True, parse_special: bool = True
    ) -> "Prompt":
        """A plain prompt, tokenised with llama.cpp's defaults."""
        return cls((Segment(text, add_special, parse_special),))

    @classmethod
    def of_turns(cls, *turns: tuple[str, str | bytes], first: bool = True) -> "Prompt":
        """(role, text) of each; `first`: they begin a conversation, else they follow a reply."""
        return cls(
            tuple(
                Segment(text, add_special=first and i == 0, role=role)
                for i, (role, text) in enumerate(turns)
            )
        )

    @classmethod
    def of_ids(cls, ids: Sequence[int]) -> "Prompt":
        """Token ids, taken as they are."""
        return cls(ids=tuple(int(i) for i in ids))

    def messages(self) -> Iterator[tuple[Msg, bytes]]:
        """Frames that make this the kernel's prompt."""
        first = PromptFlag.FIRST
        if self.ids is not None:
            for start in range(0, max(len(self.ids), 1), PROMPT_IDS_COUNT):
                part = self.ids[start : start + PROMPT_IDS_COUNT]
                yield Msg.PROMPT_IDS, pack_prompt_ids(first, part)
                first = PromptFlag(0)
            return
        for segment in self.segments or (Segment(b""),):
            rules = PromptFlag.ADD_SPECIAL if segment.add_special else PromptFlag(0)
            if segment.parse_special:
                rules |= PromptFlag.PARSE_SPECIAL
            rules |= ROLES[segment.role]
            data = segment.data
            for start in range(0, max(len(data), 1), PROMPT_TEXT_BYTES):
                end = start + PROMPT_TEXT_BYTES
                last = PromptFlag.LAST if end >= len(data) else PromptFlag(0)
                yield Msg.PROMPT_TEXT, pack_prompt_text(first | last | rules, data[start:end])
                first = PromptFlag(0)


class EchoedPrompt:
    """The prompt's token ids, as the kernel sends them back in slices."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._total = 0

    def add(self, message: PromptTokens) -> None:
        """The next slice."""
        if message.first != len(self._ids):
            raise TargetError(
                f"the kernel sent prompt token {message.first}, expected {len(self._ids)}"
            )
        self._ids += message.ids
        self._total = message.total

    def ids(self) -> tuple[int, ...]:
        """All of them."""
        if len(self._ids) != self._total:
            raise TargetError(
                f"the kernel sent {len(self._ids)} prompt tokens, expected {self._total}"
            )
        return tuple(self._ids)
