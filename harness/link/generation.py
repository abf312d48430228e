"""What a generation yields, put together from the kernel's messages."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import TargetError
from harness.link import messages
from harness.link.messages import Logits, Msg, Prefill, Stop, TokenEvent
from harness.link.prompt import EchoedPrompt

Float32Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Token:
    """A token as it arrives; text is what can be printed now, never half a character."""

    index: int
    id: int
    prob: float
    piece: bytes
    text: str


@dataclass(frozen=True)
class Stats:
    """Counts and durations of a generation, as the kernel measured them."""

    n_prompt: int  # tokens in the context before the first generated one
    n_reused: int  # prompt tokens whose keys and values were still in the cache
    n_generated: int
    n_past: int  # tokens in the context afterwards
    ticks_per_s: int
    ticks_receive: int
    ticks_prefill: int  # prompt complete -> first token chosen
    ticks_decode: int
    n_drafted: int = 0  # tokens guessed and computed with the newest one
    n_accepted: int = 0  # tokens chosen without a forward pass of their own

    def seconds(self, ticks: int) -> float:
        """Duration of `ticks`; with icount, seconds * 1e9 is the number of instructions."""
        return ticks / self.ticks_per_s if self.ticks_per_s else 0.0

    @property
    def receive_s(self) -> float:
        """Receiving and tokenising the prompt."""
        return self.seconds(self.ticks_receive)

    @property
    def prefill_s(self) -> float:
        """From the complete prompt to the first token."""
        return self.seconds(self.ticks_prefill)

    @property
    def decode_s(self) -> float:
        """All tokens after the first."""
        return self.seconds(self.ticks_decode)


@dataclass(frozen=True, eq=False)
class Generation:
    """One answer. ids, pieces, probs and the rows of logits belong together, one per token.

    A token that ended the sequence (stop "eos") is not among them: it is `eog_id`, with
    `eog_logits`. stats is None when the request was given up before the kernel had it.
    """

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    pieces: tuple[bytes, ...]
    text: str
    stop: str  # "length", "eos", "abort" or "context"
    probs: tuple[float, ...]
    logits: Float32Array | None  # (n, n_vocab_rows), from which each token was chosen
    stats: Stats | None
    eog_id: int | None = None
    eog_logits: Float32Array | None = None


class Collector:
    """Checks that nothing is missing while messages become a Generation."""

    def __init__(
        self,
        n_vocab_rows: int,
        *,
        want_logits: bool,
        on_token: Callable[[Token], None] | None = None,
        on_prefill: Callable[[Prefill], None] | None = None,
    ) -> None:
        self.prompt = EchoedPrompt()
        self._n_vocab_rows = n_vocab_rows
        self._want_logits = want_logits
        self._on_token = on_token
        self._on_prefill = on_prefill
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tokens: list[TokenEvent] = []
        self._rows: list[Float32Array] = []
        self._row = np.empty(n_vocab_rows if want_logits else 0, np.float32)
        self._row_filled = 0

    def take(self, kind: int, payload: bytes) -> None:
        """A message of any kind; those that belong to no generation are left alone."""
        match kind:
            case Msg.PROMPT_TOKENS:
                self.prompt.add(messages.unpack_prompt_tokens(payload))
            case Msg.PREFILL:
                self.prefill(messages.unpack_prefill(payload))
            case Msg.LOGITS:
                self.logits(messages.unpack_logits(payload))
            case Msg.TOKEN:
                self.token(messages.unpack_token(payload))

    def prefill(self, message: Prefill) -> None:
        """Progress only."""
        if self._on_prefill is not None:
            self._on_prefill(message)

    def logits(self, message: Logits) -> None:
        """A slice of the next token's logits."""
        if not self._want_logits:
            return
        if message.index != len(self._tokens):
            raise _out_of_order("logits of token", message.index, len(self._tokens))
        if message.first != self._row_filled:
            raise _out_of_order("logit", message.first, self._row_filled)
        end = message.first + len(message.values)
        if end > self._n_vocab_rows:
            raise _out_of_order("last logit", end - 1, self._n_vocab_rows - 1)
        self._row[message.first : end] = message.values
        self._row_filled = end

    def token(self, message: TokenEvent) -> None:
        """The next token; its logits are complete by now."""
        if message.index != len(self._tokens):
            raise _out_of_order("token", message.index, len(self._tokens))
        if self._want_logits:
            if self._row_filled != self._n_vocab_rows:
                raise TargetError(
                    f"token {message.index} came with {self._row_filled} logits, "
                    f"expected {self._n_vocab_rows}"
                )
            self._rows.append(self._row.copy())
            self._row_filled = 0
        self._tokens.append(message)
        text = self._decoder.decode(message.piece)
        if self._on_token is not None:
            self._on_token(Token(message.index, message.id, message.prob, message.piece, text))

    def result(self, prompt_ids: Sequence[int], stop: Stop, stats: Stats | None) -> Generation:
        """All of it."""
        tokens, rows = self._tokens, self._rows
        end = tokens[-1] if stop is Stop.EOG and tokens else None
        if end is not None:
            tokens = tokens[:-1]
        logits: Float32Array | None = None
        if self._want_logits:
            shape = (len(tokens), self._n_vocab_rows)
            logits = np.array(rows[: len(tokens)], np.float32).reshape(shape)
        return Generation(
            prompt_ids=tuple(prompt_ids),
            ids=tuple(t.id for t in tokens),
            pieces=tuple(t.piece for t in tokens),
            text=b"".join(t.piece for t in tokens).decode("utf-8", "replace"),
            stop=stop.label,
            probs=tuple(t.prob for t in tokens),
            logits=logits,
            stats=stats,
            eog_id=None if end is None else end.id,
            eog_logits=rows[-1] if end is not None and rows else None,
        )


def _out_of_order(what: str, observed: int, expected: int) -> TargetError:
    return TargetError(
        f"the kernel sent {what} {observed}, expected {expected}",
        hint="kernel and harness come from different versions: rebuild the image",
    )
