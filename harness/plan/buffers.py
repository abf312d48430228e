"""Buffers inside the link, session and activations regions."""

from dataclasses import dataclass

from harness.gguf.model import HyperParameters
from harness.plan.memory import KIB, MAX_TILE_ROWS, Buffer, align_up

LINK_WINDOW = 8  # frames that the kernel keeps until they are acknowledged
LINK_SLOT_SIZE = 1280  # one frame on the wire: COBS of 1024 bytes payload, head and CRC

# Prompt text of one segment: 4 bytes a token, the mean of English text and Llama's vocabulary.
TEXT_BYTES_PER_TOKEN = 4
TEXT_SIZE_MIN = 4 * KIB
TEXT_SIZE_MAX = 16 * KIB
# The tokenizer's symbols and heap: TOK_SCRATCH_BYTES of kernel/llm/tokenizer.h.
SCRATCH_BYTES_PER_TEXT_BYTE = 28
SCRATCH_SLACK = 64

# Each core norms and quantises a single token into a row of its own: PARALLEL_MAX_CORES of
# kernel/smp/parallel.h.
MAX_CORES = 8

# 1 + the longest guess: beyond it few guesses are right to the end.
LOGIT_ROWS_MAX = 9

ALIGN = 64  # a cache line, and enough for any vector load


class Stack:
    """Buffers of one region, one above the other."""

    def __init__(self, region: str, offset: int = 0) -> None:
        self.region = region
        self.offset = offset
        self.buffers: list[Buffer] = []

    def push(self, name: str, size_bytes: int) -> None:
        """Place a buffer on top."""
        self.buffers.append(Buffer(name, self.region, self.offset, size_bytes))
        self.offset = align_up(self.offset + size_bytes, ALIGN)

    def offset_of(self, name: str) -> int:
        """Where a buffer lies."""
        return next(buffer.offset for buffer in self.buffers if buffer.name == name)

    def push_over(self, name: str, size_bytes: int) -> None:
        """Place a buffer over all the others: it lives when none of them does."""
        self.buffers.append(Buffer(name, self.region, 0, size_bytes))
        self.offset = max(self.offset, align_up(size_bytes, ALIGN))

    def push_sharing(self, *groups: dict[str, int]) -> None:
        """Place groups of buffers (name: size) over the same bytes; without a name: a gap."""
        base = top = self.offset
        for group in groups:
            self.offset = base
            for name, size_bytes in group.items():
                self.push(name, size_bytes)
            top = max(top, self.offset)
        self.offset = top
        self.buffers = [buffer for buffer in self.buffers if buffer.name]


def link_buffers() -> Stack:
    """One received segment and the window of sent frames."""
    stack = Stack("link")
    stack.push("LINK_RX", LINK_SLOT_SIZE)
    stack.push("LINK_TX", LINK_WINDOW * LINK_SLOT_SIZE)
    return stack


def text_size_bytes(n_ctx: int) -> int:
    """Room for the text of one prompt segment."""
    wanted = align_up(TEXT_BYTES_PER_TOKEN * n_ctx, ALIGN)
    return min(max(wanted, TEXT_SIZE_MIN), TEXT_SIZE_MAX)


def scratch_size_bytes(n_ctx: int) -> int:
    """Room for the tokenizer to work on one full segment."""
    return text_size_bytes(n_ctx) * SCRATCH_BYTES_PER_TEXT_BYTE + SCRATCH_SLACK


def session_buffers(hyper: HyperParameters, n_ctx: int) -> Stack:
    """The prompt and the history of one session, and work space of tokenizer and sampler."""
    stack = Stack("session")
    stack.push("SESSION_TEXT", text_size_bytes(n_ctx))
    stack.push("SESSION_PROMPT_IDS", 4 * n_ctx)
    stack.push("SESSION_HISTORY_IDS", 4 * n_ctx)
    stack.push("SESSION_CANDIDATES", 0 if hyper.makes_vectors else 4 * hyper.n_vocab_rows)
    return stack


@dataclass(frozen=True)
class QuantRow:
    """One quantised activation vector: the q8_0 blocks, then the q8_k blocks of the same input."""

    q8_k_offset: int
    size_bytes: int


def quant_row(hyper: HyperParameters) -> QuantRow:
    """Sized for the widest input of any matrix; struct sizes as in kernel/nn/activation.h."""
    widest = max(hyper.n_embd, hyper.n_head * hyper.head_size, hyper.n_ff, hyper.n_dense)
    q8_0 = align_up(-(-widest // 32) * 40, ALIGN)  # float d, int8[32], int32 sum
    q8_k = align_up(-(-widest // 256) * 304, ALIGN)  # float d, int8[256], int16 sums[16], padding
    return QuantRow(q8_k_offset=q8_0, size_bytes=q8_0 + q8_k)


def activation_buffers(hyper: HyperParameters, n_batch: int, n_ctx: int) -> Stack:
    """Vectors of a forward pass over n_batch tokens; the tokenizer works in the same bytes.

    A text becomes tokens before its forward pass begins, and no vector outlives one but the logits,
    of which the sampler has made a token before the next text is looked at.

    Attention, feed-forward and the output matrix follow one another and read only ACT_H or
    ACT_QUANT, so that their own vectors share one space. ACT_Y takes the results of attention's and
    feed-forward's last matrices: it lies where nothing is that these read, ACT_ATT and ACT_GATE.
    """

    def batch(n: int) -> int:
        return n_batch * 4 * align_up(n, MAX_TILE_ROWS)

    n_q = hyper.n_head * hyper.head_size
    n_kv = hyper.n_head_kv * hyper.head_size
    n_rows = max(n_batch, MAX_CORES)
    stack = Stack("activations")
    stack.push("ACT_X", batch(hyper.n_embd))
    stack.push("ACT_H", n_rows * 4 * align_up(hyper.n_embd, MAX_TILE_ROWS))
    stack.push("ACT_QUANT", n_rows * quant_row(hyper).size_bytes)
    stack.push_sharing(
        {"ACT_ATT": batch(n_q), "ACT_Q": batch(n_q), "ACT_K": batch(n_kv), "ACT_V": batch(n_kv)},
        {"ACT_GATE": batch(hyper.n_ff), "ACT_UP": batch(hyper.n_ff)},
        {"": max(batch(n_q), batch(hyper.n_ff)), "ACT_Y": batch(hyper.n_embd)},
        {"ACT_LOGITS": _logits_bytes(hyper, n_logit_rows(hyper, n_batch))},
    )
    stack.push_over("ACT_SCRATCH", scratch_size_bytes(n_ctx))
    return stack


def n_logit_rows(hyper: HyperParameters, n_batch: int) -> int:
    """Rows of logits that one forward pass can give, the guesses of speculation being the others.

    As many as fit into the bytes that the feed-forward uses before, so that they cost nothing.
    """
    free_bytes = 2 * n_batch * 4 * align_up(hyper.n_ff, MAX_TILE_ROWS)
    rows = LOGIT_ROWS_MAX
    while rows > 1 and _logits_bytes(hyper, rows) > free_bytes:
        rows -= 1
    return min(rows, n_batch)


def _logits_bytes(hyper: HyperParameters, n_rows: int) -> int:
    # The matrix kernels write whole tiles, behind the last row too.
    padding = align_up(hyper.n_vocab_rows, MAX_TILE_ROWS) - hyper.n_vocab_rows
    return 4 * (n_rows * hyper.n_vocab_rows + padding)
