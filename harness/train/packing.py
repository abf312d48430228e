"""Documents -> windows of n_ctx + 1 tokens, full to the brim, with the targets to learn.

Documents stand back to back, each begun by BOS, and none is cut that fits into a window. Attention
is *not* masked at their borders: the causal kernel without a mask is the fast one, and it is what
happens on the device, where one conversation follows another in the same context and the model must
have learnt to pay no attention to what came before.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Pieces = Sequence[tuple[str, bool]]  # text, and whether it is the text of a special token
Split = Literal["train", "valid"]
Source = Callable[[int, Split], Iterator[Pieces]]
I32 = npt.NDArray[np.int32]

NO_LOSS: Final = -100
BOS, EOS = "<s>", "</s>"
ASSISTANT, END = "<|assistant|>", "<|end|>"


@dataclass(frozen=True)
class Tokens:
    """One document: its ids, and which of them are to be learnt."""

    ids: list[int]
    learn: list[bool]


@dataclass(frozen=True)
class Windows:
    """(n, n_ctx) inputs and targets; a target that is not learnt is NO_LOSS."""

    ids: I32
    targets: I32

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_targets(self) -> int:
        """Tokens that count in the loss."""
        return int((self.targets != NO_LOSS).sum())


def tokenise(
    pieces: Pieces, encode: Callable[[str], list[int]], special: Mapping[str, int]
) -> Tokens:
    """Learn all of a story; of a dialogue the assistant's turns with their end.

    Neighbouring texts are joined first: the device sees one text between two special tokens.
    """
    ids: list[int] = [special[BOS]]
    learn = [False]
    joined = [(text, flag) for text, flag in _joined(pieces) if text != BOS or not flag]
    dialogue = any(flag and text == ASSISTANT for text, flag in joined)
    speaking = not dialogue
    for text, is_special in joined:
        if is_special:
            ids.append(special[text])
            learn.append(speaking and text in (END, EOS))
            speaking = text == ASSISTANT or not dialogue
            continue
        piece = encode(text)
        ids += piece
        learn += [speaking] * len(piece)
        if dialogue and speaking and text.startswith("\n"):
            learn[len(learn) - len(piece)] = False  # the template's own line break
    if not dialogue and ids[-1] != special[EOS]:
        ids.append(special[EOS])
        learn.append(True)
    return Tokens(ids, learn)


def _joined(pieces: Pieces) -> Iterator[tuple[str, bool]]:
    text = ""
    for piece, is_special in pieces:
        if not is_special:
            text += piece
            continue
        if text:
            yield text, False
        text = ""
        yield piece, True
    if text:
        yield text, False


def pack(documents: Iterable[Tokens], n_ctx: int, pad: int, rng: np.random.Generator) -> Windows:
    """Best-fit decreasing: each document goes where it leaves least room; then all is shuffled."""
    room = n_ctx + 1
    parts = [part for document in documents for part in _cut(document, room)]
    order = sorted(range(len(parts)), key=lambda i: -len(parts[i].ids))
    free: list[tuple[int, int]] = []  # (tokens left, window), sorted
    windows: list[list[Tokens]] = []
    for i in order:
        n = len(parts[i].ids)
        at = bisect_left(free, (n, -1))
        if at == len(free):
            left, window = room, len(windows)
            windows.append([])
        else:
            left, window = free.pop(at)
        windows[window].append(parts[i])
        if left > n:
            insort(free, (left - n, window))
    ids = np.full((len(windows), room), pad, np.int32)
    learn = np.zeros((len(windows), room), bool)
    for row, w in enumerate(rng.permutation(len(windows))):
        at = 0
        for j in rng.permutation(len(windows[w])):
            document = windows[w][j]
            end = at + len(document.ids)
            ids[row, at:end], learn[row, at:end] = document.ids, document.learn
            at = end
    targets = np.where(learn[:, 1:], ids[:, 1:], NO_LOSS)
    return Windows(np.ascontiguousarray(ids[:, :-1]), targets.astype(np.int32))


def _cut(document: Tokens, room: int) -> Iterator[Tokens]:
    for at in range(0, len(document.ids), room):
        yield Tokens(document.ids[at : at + room], document.learn[at : at + room])
