"""What the generator makes: stories and dialogues, and how both become text for the packer."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]

BOS, EOS, END = "<s>", "</s>", "<|end|>"


@dataclass(frozen=True)
class Turn:
    """One message of a dialogue."""

    role: Role
    text: str


@dataclass(frozen=True)
class Document:
    """A story has `text` and no turns; everything else has turns and no text."""

    kind: str
    text: str = ""
    turns: tuple[Turn, ...] = ()


def render(document: Document) -> list[tuple[str, bool]]:
    """Pieces of the document, each with "is the text of a control token"; BOS comes first.

    A story ends with EOS. A dialogue has the form of the chat template and ends with its last
    `<|end|>` and newline; every turn is `<|role|>`, newline, text, `<|end|>`, newline.
    """
    pieces = [(BOS, True)]
    if document.text:
        pieces += [(document.text, False), (EOS, True)]
    for turn in document.turns:
        pieces += [(f"<|{turn.role}|>", True), (f"\n{turn.text}", False)]
        pieces += [(END, True), ("\n", False)]
    return pieces
